"""A private cluster for each worker, and small workflows that are driven on it through profiles/sulis."""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time

import pytest
from cluster import Cluster, missing_programs
from house import ENVIRONMENT, PROJECT

# All that a laboratory's cluster asks to be changed: it answers at once, and is asked as often.
HASTE = ("--seconds-between-status-checks=1", "--slurm-init-seconds-before-status-checks=1", "--latency-wait=3")

# Jobs that stand for ours; what each does, its test says.
HEAD = f"""
import sys
sys.path[:0] = ["{PROJECT}/scripts", "{PROJECT}/workflow"]
import guard
guard.watch(workflow)
"""


@pytest.fixture(scope="session", autouse=True)
def _programs():
    missing = missing_programs()
    assert not missing, f"no SLURM to test on (missing: {', '.join(missing)}): tests/slurm/install.sh"


@pytest.fixture(scope="session")
def cluster():
    """Two nodes of three cards."""
    with tempfile.TemporaryDirectory(prefix="slurm-") as folder, Cluster(folder) as cluster:
        yield cluster


class Driver:
    """Snakemake on a cluster, in a folder; never for longer than ``limit`` seconds."""

    def __init__(self, cluster, folder, *options, limit=240, profile="sulis", account="su123"):
        self.cluster, self.folder, self.end = cluster, folder, time.monotonic() + limit
        environment = {**ENVIRONMENT, **cluster.environment}
        if account:
            environment["SBATCH_ACCOUNT"] = account
        self.log = folder / f"driver-{time.monotonic_ns()}.txt"
        command = [
            sys.executable,
            "-m",
            "snakemake",
            "--profile",
            str(PROJECT / "profiles" / profile),
            *HASTE,
            *options,
        ]
        with open(self.log, "w") as log:
            streams = {"stdout": log, "stderr": log, "stdin": subprocess.DEVNULL}
            self.process = subprocess.Popen(command, cwd=folder, env=environment, start_new_session=True, **streams)

    @property
    def said(self):
        """What it has said so far."""
        return self.log.read_text()

    def wait(self):
        """Wait for its end; give its exit code and what it said."""
        try:
            return self.process.wait(self.end - time.monotonic()), self.said
        except subprocess.TimeoutExpired:
            self.kill()
            pytest.fail(f"Snakemake hangs:\n{self.said}")

    def until(self, condition, what):
        """Wait until ``condition()`` holds while it runs."""
        while not condition():
            if time.monotonic() > self.end or self.process.poll() is not None:
                self.kill()
                pytest.fail(f"no {what}:\n{self.said}")
            time.sleep(0.1)

    def kill(self):
        """``kill -9``."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


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
