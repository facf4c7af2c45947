"""The whole job, run once with secrets planted around it, for all tests of it."""

import pytest
from house import PROJECT, House
from planted import QUICK, plant


@pytest.fixture(scope="session")
def done(tmp_path_factory):
    """A house in which the whole job has run, with everything said that can be said."""
    house = House(tmp_path_factory.mktemp("done"))
    house.environment |= plant(house.folder)
    (house.folder / "tests").symlink_to(PROJECT / "tests")
    finished = house.snakemake(*QUICK, "--verbose", "--config", "tracking={wandb: offline}")
    (house.folder / "said.txt").write_text(finished.stdout)
    assert finished.returncode == 0, finished.stdout
    return house


@pytest.fixture
def house(done, tmp_path):
    """A copy of it to break."""
    return House(tmp_path / "house", original=done)
