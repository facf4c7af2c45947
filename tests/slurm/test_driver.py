"""Where Snakemake itself runs: on a login node, or in a small job of its own; and what its jobs get from it."""

import os
import shlex
import signal

import pytest
from driving import HEAD, command_line, environment

from support.planted import SECRETS, traces

pytestmark = pytest.mark.slurm

TWO_IN_A_ROW = """
rule last:
    input: "first"
    output: "last"
    resources: mem_mb=1000, runtime=10
    shell: "{seconds}; touch {{output}}"
rule first:
    output: "first"
    resources: mem_mb=1000, runtime=10
    shell: "touch {{output}}"
"""
# A job that keeps what a command says.
ONE = """
rule job:
    output: "done"
    resources: mem_mb=1000, runtime=10
    shell: "{command} > {{output}}"
"""


@pytest.fixture
def submit(cluster, tmp_path):
    """A function that submits Snakemake as a small job, as the README says; it gives the job's number."""

    def submit(rules):
        (tmp_path / "Snakefile").write_text(HEAD + rules)
        return cluster.run(
            "sbatch", "--parsable", "--mem=2000", "--time=60", "--signal=B:INT@300", f"--output={tmp_path}/driver.txt",
            f"--chdir={tmp_path}", f"--wrap=exec {shlex.join(command_line())}", environment=environment(cluster),
        ).strip()  # fmt: skip

    yield submit
    cluster.run("scancel", "--me", check=False)


def state(cluster, number):
    """The state of a job."""
    return next(job["JobState"] for job in cluster.jobs() if job["JobId"] == number)


def test_a_driver_in_a_job_of_its_own_ends_when_its_jobs_have(cluster, submit, jobs, tmp_path):
    number = submit(TWO_IN_A_ROW.format(seconds="true"))
    cluster.wait(lambda: state(cluster, number) not in ("PENDING", "RUNNING", "COMPLETING"), "end of the driver", 120)
    assert state(cluster, number) == "COMPLETED", (tmp_path / "driver.txt").read_text()
    assert [job["JobState"] for job in jobs()] == ["COMPLETED"] * 3  # the driver's, and two of its own
    assert (tmp_path / "last").exists()


def test_a_driver_whose_time_is_up_cancels_its_jobs(cluster, submit, jobs):
    number = submit(TWO_IN_A_ROW.format(seconds="sleep 600"))
    cluster.wait(lambda: len(jobs()) == 3 and jobs()[2]["JobState"] == "RUNNING", "start of the last job", 120)
    cluster.run("scancel", "--batch", "--signal=INT", number)  # as SLURM does by --signal
    cluster.wait(lambda: state(cluster, number) not in ("RUNNING", "COMPLETING"), "end of the driver", 60)
    cluster.wait(lambda: jobs()[2]["JobState"] == "CANCELLED", "end of its job")


def test_what_the_environment_was_given_reaches_the_jobs(drive, tmp_path, monkeypatch):
    monkeypatch.setitem(environment.also, "LOADEDMODULES", "GCC/12.2.0:CUDA/12.2.0")
    code, said = drive(ONE.format(command="echo $LOADEDMODULES $(command -v squeue)")).wait()
    assert code == 0, said
    assert (tmp_path / "done").read_text().split()[0] == "GCC/12.2.0:CUDA/12.2.0"


def test_secrets_in_the_environment_reach_no_job_and_not_the_controller(drive, cluster, tmp_path, monkeypatch):
    for name, secret in SECRETS.items():
        monkeypatch.setitem(environment.also, name, secret)
    code, said = drive(ONE.format(command="env")).wait()
    assert code == 0, said
    assert "SLURM_JOB_ID" in (tmp_path / "done").read_text()
    assert traces(tmp_path, [said]) + traces(cluster.folder, []) == []


def test_a_polite_end_lets_running_jobs_finish(drive, jobs, tmp_path):
    driver = drive(TWO_IN_A_ROW.format(seconds="sleep 600"), "first")
    driver.until(lambda: jobs(), "job")
    os.kill(driver.process.pid, signal.SIGTERM)
    driver.wait()
    assert [job["JobState"] for job in jobs()] == ["COMPLETED"] and (tmp_path / "first").exists()


def test_the_profile_of_any_site_needs_no_account_and_no_partition(drive, jobs):
    code, said = drive(TWO_IN_A_ROW.format(seconds="true"), profile="slurm", account=None).wait()
    assert code == 0, said
    assert [job["JobState"] for job in jobs()] == ["COMPLETED"] * 2
