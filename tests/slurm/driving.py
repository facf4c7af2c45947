"""Snakemake as a driver of jobs on a private cluster, through profiles/sulis."""

import contextlib
import os
import signal
import subprocess
import sys
import time

import pytest

from support.workspace import ENVIRONMENT, PROJECT

# All that a laboratory's cluster asks to be changed: it answers at once, and is asked as often.
HASTE = (
    "--seconds-between-status-checks=1",
    "--slurm-guarded-init-seconds-before-status-checks=1",
    "--latency-wait=3",
)

# Jobs that stand for ours; what each does, its test says.
HEAD = f"""
import sys
sys.path.insert(0, "{PROJECT}/scripts")
"""


def command_line(*options, profile="sulis"):
    """The words that start Snakemake."""
    return [sys.executable, "-m", "snakemake", "--profile", str(PROJECT / "profiles" / profile), *HASTE, *options]


def environment(cluster, account="su123"):
    """The variables that a user has on a cluster, and those of ``environment.also``."""
    return {
        **ENVIRONMENT,
        **cluster.environment,
        **({"SBATCH_ACCOUNT": account} if account else {}),
        **environment.also,
    }


environment.also = {}


class Driver:
    """Snakemake on a cluster, in a folder; never for longer than ``limit`` seconds."""

    def __init__(self, cluster, folder, *options, limit=240, profile="sulis", account="su123"):
        self.cluster, self.folder, self.end = cluster, folder, time.monotonic() + limit
        self.log = folder / f"driver-{time.monotonic_ns()}.txt"
        with open(self.log, "w") as log:
            streams = {"stdout": log, "stderr": log, "stdin": subprocess.DEVNULL}
            self.process = subprocess.Popen(
                command_line(*options, profile=profile),
                cwd=folder,
                env=environment(cluster, account),
                start_new_session=True,
                # Shells start what runs in the background deaf to Ctrl-C, tests too, and children inherit that.
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
                **streams,
            )

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
