"""A job on a cluster that fails costs nothing that was there before, wherever the results are."""

import json
import shutil

import pytest

from support.workspace import Workspace

pytestmark = pytest.mark.slurm

TABLE = "results/tables/summary.csv"
OWN = ("--configfile", "config/config.yaml")
# As strange as paths get: the shell, SLURM and Snakemake each must quote it.
HOSTILE = "on scratch {run} {x,y} <results> $(touch pwned) 'b' \"c\" # * ü"


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A workspace in which everything is done; its results are empty files, so a stale table cannot be made."""
    workspace = Workspace(tmp_path_factory.mktemp("finished"))
    workspace.pretend_done(*OWN)
    return workspace


@pytest.fixture
def workspace(finished, tmp_path):
    """A copy of it; its results are in ``elsewhere``."""
    workspace = Workspace(tmp_path / "workspace", original=finished)
    workspace.elsewhere = tmp_path / HOSTILE
    workspace.elsewhere.mkdir()
    for name in ("results", ".snakemake"):
        shutil.move(workspace.folder / name, workspace.elsewhere / name)
    (workspace.elsewhere / TABLE).write_text("earlier")
    return workspace


@pytest.fixture
def make_table(cluster, workspace):
    """A function that starts a driver for the table with changed settings."""
    from driving import Driver

    changed = {"uncertainty": {"resamples": 99}}
    options = ("--directory", str(workspace.elsewhere), *OWN, "--config", f"report={json.dumps(changed)}")
    drivers = []

    def start():
        drivers.append(Driver(cluster, workspace.folder, TABLE, "--retries", "0", *options))
        return drivers[-1]

    yield start
    for driver in drivers:
        driver.kill()
        cluster.run("scancel", "--me", check=False)


def is_as_before(folder):
    """Whether the table is what it was; what was saved for that is gone."""
    return (folder / TABLE).read_text() == "earlier" and not (folder / "results/kept/earlier").exists()


def test_a_failed_job_leaves_its_earlier_outputs(make_table, workspace):
    code, said = make_table().wait()
    assert code == 1 and "tables: error: results/" in said, said
    assert "results of failed jobs are as before this run, and still stale: in results/tables" in said
    assert is_as_before(workspace.elsewhere)
    assert not list(workspace.folder.parent.rglob("pwned"))


def test_a_killed_driver_loses_nothing_that_its_jobs_deleted(make_table, cluster, workspace):
    driver = make_table()
    driver.until(lambda: not (workspace.elsewhere / TABLE).exists(), "deletion of the table")
    driver.kill()
    cluster.wait(lambda: not cluster.run("squeue", "--noheader").strip(), "end of the job", 60)
    assert not (workspace.elsewhere / TABLE).exists()
    unlocked = workspace.snakemake("--unlock", "--directory", str(workspace.elsewhere), *OWN)
    assert unlocked.returncode == 0, unlocked.stdout
    code, said = make_table().wait()
    assert code == 1 and "still stale: in results/tables" in said, said
    assert is_as_before(workspace.elsewhere)
