"""What goes wrong on a cluster, one thing at a time: each must end well, be reported, and never hang."""

import os
import signal
import subprocess
import tempfile
import time

import pytest
from cluster import Cluster
from driving import Driver

from support.workspace import PROJECT, Workspace

pytestmark = pytest.mark.slurm

# A job that is too slow at its first attempt, and tells when it starts and when it ends.
SLOW_AT_FIRST = """
rule job:
    output: "done"
    resources: mem_mb=1000, runtime=10, trial=lambda wildcards, attempt: attempt
    shell:
        "echo start $SLURM_JOB_ID >> story;"
        " [ {resources.trial} -gt 1 ] || sleep 300; touch {output};"
        " echo end $SLURM_JOB_ID >> story"
"""
# Two jobs of ten seconds, which note when they are at work.
STEADY = """
rule all:
    input: "done-a", "done-b"
rule job:
    output: "done-{name}"
    resources: mem_mb=1000, runtime=10
    shell: "echo start {wildcards.name} >> story; sleep 10; touch {output}; echo end {wildcards.name} >> story"
"""
# The same, but they work until they are released: on a busy machine, drivers are slow to start.
UNTIL_RELEASED = STEADY.replace("sleep 10", "until [ -e release ]; do sleep 0.2; done")


def story(folder):
    """What the jobs have noted so far."""
    path = folder / "story"
    return path.read_text().splitlines() if path.exists() else []


def states(jobs):
    """The states of jobs, in order of submission."""
    return [job["JobState"] for job in jobs]


def test_a_cancelled_job_is_submitted_again(drive, cluster, jobs, tmp_path):
    driver = drive(SLOW_AT_FIRST)
    driver.until(lambda: story(tmp_path), "start")
    cluster.run("scancel", jobs()[0]["JobId"])
    code, said = driver.wait()
    assert code == 0, said
    assert states(jobs()) == ["CANCELLED", "COMPLETED"]
    assert f"SLURM-job '{jobs()[0]['JobId']}' has ended as CANCELLED" in said


def test_a_job_over_its_memory_is_submitted_again_with_more(drive, jobs):
    driver = drive("""
rule job:
    output: "done"
    resources: mem_mb=lambda wildcards, attempt: 900 * attempt, runtime=10
    shell: "python -c 'import time; x = bytearray(900 << 20); time.sleep(8)' && touch {output}"
""")
    code, said = driver.wait()
    assert code == 0, said
    assert [job["MinMemoryNode"] for job in jobs()] == ["900M", "1800M"]
    assert states(jobs())[0] in ("OUT_OF_MEMORY", "FAILED") and states(jobs())[1] == "COMPLETED"


def test_a_job_that_does_not_see_its_input_fails_and_what_an_earlier_run_has_left_is_not_its_result(
    drive, jobs, tmp_path
):
    (tmp_path / "done").write_text("earlier")
    (tmp_path / "source").write_text("newer")
    os.utime(tmp_path / "done", (1, 1))
    driver = drive(
        """
rule job:
    input: "source"
    output: "done"
    resources: mem_mb=1000, runtime=10, slurm_extra="--begin=now+5"
    shell: "touch {output}"
""",
        "--retries=0",
    )
    driver.until(jobs, "job")
    (tmp_path / "source").unlink()
    code, said = driver.wait()
    assert (code, states(jobs())) == (1, ["FAILED"]), said
    logs = [path.read_text() for path in (tmp_path / "results/logs/slurm").rglob("*.log")]
    assert "error: no 'source' on this node after 3 s" in logs[0]


def test_a_job_of_a_node_that_loses_power_runs_on_another(drive, cluster, jobs, tmp_path):
    driver = drive(SLOW_AT_FIRST)
    driver.until(lambda: story(tmp_path), "start")
    node = jobs()[0]["NodeList"]
    cluster.lose_power(node)
    try:
        code, said = driver.wait()
    finally:
        cluster.start("slurmd", "-N", node, name=node)
        cluster.wait(lambda: cluster.sinfo("idle") == 2, "node that is back", 60)
    assert code == 0, said
    assert states(jobs()) == ["NODE_FAIL", "COMPLETED"]
    assert jobs()[1]["NodeList"] != node


def test_a_controller_that_is_away_for_40_seconds_costs_no_job(drive, cluster, jobs, tmp_path):
    driver = drive(STEADY + """
use rule job as last with:
    input: "done-a"
    output: "last-{name}"
""", "last-x", "done-b")  # fmt: skip
    driver.until(lambda: len(story(tmp_path)) == 2, "start of both")
    cluster.stop("slurmctld")
    time.sleep(40)
    assert "the controller does not answer" in driver.said
    cluster.start("slurmctld", "-i")
    code, said = driver.wait()
    assert code == 0, said
    assert "the controller is back" in said
    assert len(jobs()) == 3 and len(story(tmp_path)) == 6


def test_after_kill_9_orphans_are_ended_before_anything_is_submitted(drive, cluster, jobs, tmp_path):
    first = drive(UNTIL_RELEASED)
    first.until(lambda: len(story(tmp_path)) == 2, "start of both")
    first.kill()

    orphans = [job["JobId"] for job in jobs()]
    code, said = drive().wait()
    assert code != 0 and "--unlock" in said and "Traceback" not in said
    assert states(jobs()) == ["RUNNING", "RUNNING"]

    drive(None, "--unlock").wait()
    second = drive()
    line = f"slurm: cancelled jobs {', '.join(orphans)} of a Snakemake that was killed"
    second.until(lambda: line in second.said, "word of the orphans")
    assert states(jobs())[:2] == ["CANCELLED", "CANCELLED"]
    (tmp_path / "release").touch()
    code, said = second.wait()
    assert code == 0, said
    assert states(jobs()) == ["CANCELLED", "CANCELLED", "COMPLETED", "COMPLETED"]
    assert sorted(story(tmp_path)) == ["end a", "end b", "start a", "start a", "start b", "start b"]


def test_a_second_driver_is_refused_while_the_first_runs_even_after_unlock(drive, cluster, jobs, tmp_path):
    first = drive(UNTIL_RELEASED)
    first.until(lambda: len(story(tmp_path)) == 2, "start of both")
    code, said = drive().wait()
    assert code != 0 and "Directory cannot be locked" in said and "Traceback" not in said

    drive(None, "--unlock").wait()
    code, said = drive().wait()
    assert code != 0 and "Traceback" not in said
    assert f"another Snakemake (process {first.process.pid} on" in said.splitlines()[-1]
    assert states(jobs()) == ["RUNNING", "RUNNING"]
    (tmp_path / "release").touch()
    code, said = first.wait()
    assert code == 0, said


def test_a_driver_that_died_on_another_machine_may_still_run_there(drive, cluster, jobs, tmp_path):
    first = drive(UNTIL_RELEASED)
    first.until(lambda: len(story(tmp_path)) == 2, "start of both")
    first.kill()
    drive(None, "--unlock").wait()
    (tmp_path / ".snakemake/driver/driver.json").write_text('{"host": "login2", "process": 1}')
    code, said = drive().wait()
    assert code != 0 and "of a Snakemake on login2 work here; if it has died: scancel" in said.splitlines()[-1]
    assert states(jobs()) == ["RUNNING", "RUNNING"]


def test_ctrl_c_cancels_the_jobs_at_once(drive, cluster, jobs, tmp_path):
    driver = drive(STEADY.replace("sleep 10", "sleep 300"))
    driver.until(lambda: len(story(tmp_path)) == 2, "start of both")
    os.kill(driver.process.pid, signal.SIGINT)
    code, said = driver.wait()
    assert code != 0, said
    cluster.wait(lambda: states(jobs()) == ["CANCELLED", "CANCELLED"], "end of both")
    assert not (tmp_path / "done-a").exists()


def test_a_held_job_is_reported_at_once_and_runs_when_it_is_released(drive, cluster, jobs):
    driver = drive("""
rule job:
    output: "done"
    resources: mem_mb=1000, runtime=10, slurm_extra="--hold"
    shell: "touch {output}"
""")
    driver.until(lambda: "is held (JobHeldUser): type `scontrol release" in driver.said, "word of it")
    cluster.run("scontrol", "release", jobs()[0]["JobId"])
    code, said = driver.wait()
    assert code == 0, said
    assert said.count("is held") == 1


TOO_LONG = """
rule job:
    output: "done"
    resources: mem_mb=1000, runtime=5000
    shell: "touch {output}"
"""


def test_what_the_partition_never_grants_is_refused_at_once(drive):
    code, said = drive(TOO_LONG, limit=90).wait()
    assert code != 0
    assert "Requested time limit is invalid" in said and "sbatch call" not in said


def test_what_never_starts_is_cancelled_and_reported(drive):
    with (
        tempfile.TemporaryDirectory(prefix="slurm-") as folder,
        Cluster(folder, enforce="NO") as lenient,
    ):
        code, said = drive(TOO_LONG, "--retries=0", on=lenient, limit=90).wait()
        assert code != 0
        assert "can never start (PartitionTimeLimit): ask for less" in said
        assert [job["JobState"] for job in lenient.jobs()] == ["CANCELLED"]


@pytest.mark.parametrize("account", [None, ""])
def test_without_an_account_one_line_says_what_to_type(drive, jobs, account):
    code, said = drive(STEADY, account=account).wait()
    assert code != 0
    assert "export SBATCH_ACCOUNT=YOUR_ACCOUNT" in said.splitlines()[-1]
    assert jobs() == []


@pytest.fixture
def small_disk(tmp_path):
    """A workspace whose results lie on a disk of their own, with room for logs and little else."""
    workspace = Workspace(tmp_path / "workspace")
    (workspace.folder / "tests").symlink_to(PROJECT / "tests")
    results = workspace.folder / "results"
    results.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", results], check=True)
    yield workspace.folder
    subprocess.run(["umount", "--lazy", results], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk")
def test_a_full_disk_is_reported_and_leaves_nothing_half_written(cluster, small_disk):
    options = ("--configfile", "config/config.yaml", "tests/end_to_end/quick.yaml", "--retries=0")
    target = small_disk / "results/demo/snapshot.jsonl"
    code, said = Driver(cluster, small_disk, *options, "--", "results/demo/snapshot.jsonl").wait()
    assert code != 0
    assert "slurm: demo_snapshot: SLURM-job" in said and "the disk is full; free some space and run again" in said
    assert list(target.parent.glob("*")) + list(target.parent.glob(".*")) == []
    subprocess.run(["mount", "-o", "remount,size=60m", small_disk / "results"], check=True)
    code, said = Driver(cluster, small_disk, *options, "--", "results/demo/snapshot.jsonl").wait()
    assert code == 0, said
    assert target.exists()
