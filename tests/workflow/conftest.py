"""A house in which everything is done, and copies of it to break."""

import pytest

from support.workspace import House


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A house in which everything is done."""
    house = House(tmp_path_factory.mktemp("finished"))
    house.pretend_done()
    return house


@pytest.fixture
def house(finished, tmp_path):
    """A copy of it to break."""
    return House(tmp_path / "house", original=finished)
