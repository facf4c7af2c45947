"""A private cluster for each worker, and small workflows that are driven on it."""

import tempfile

import pytest
from cluster import Cluster, missing_programs
from driving import HEAD, Driver


def pytest_collection_modifyitems(items):
    """The longest tests first, so that the others run beside them."""
    items.sort(key=lambda item: "test_whole_job" not in item.nodeid and "test_paper" not in item.nodeid)


@pytest.fixture(scope="session", autouse=True)
def _programs():
    missing = missing_programs()
    assert not missing, f"no SLURM to test on (missing: {', '.join(missing)}): tests/slurm/install.sh"


@pytest.fixture(scope="session")
def cluster():
    """Two nodes of three GPUs."""
    with tempfile.TemporaryDirectory(prefix="slurm-") as folder, Cluster(folder) as cluster:
        yield cluster


@pytest.fixture
def drive(cluster, tmp_path):
    """A function that starts a driver in a folder of its own, where ``rules`` (a text) are the workflow."""
    drivers = []

    def start(rules=None, *options, **others):
        if rules is not None:
            (tmp_path / "Snakefile").write_text(HEAD + rules)
        drivers.append(Driver(others.pop("on", cluster), tmp_path, *options, **others))
        return drivers[-1]

    yield start
    for driver in drivers:
        driver.kill()
        driver.cluster.run("scancel", "--me", check=False)


@pytest.fixture
def jobs(cluster, tmp_path):
    """A function that gives the jobs that were submitted from the test's folder, in order."""
    return lambda: [job for job in cluster.jobs() if job["WorkDir"] == str(tmp_path)]
