"""The guard around Snakemake's executor for SLURM, with a made-up executor and made-up programs of SLURM."""

import asyncio
import json
import logging
import os
import socket
import sys
from types import ModuleType, SimpleNamespace

import pytest

from feyntune.core.errors import FeynTuneError
from feyntune.core.secrets import WANDB
from guard import account, orphans, patience, queue, secrecy


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    """A function that replaces one of SLURM's programs by a line of shell; what each was asked is in ``asked``."""
    folder = tmp_path / "slurm-programs"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/bin:/usr/bin")

    def replace(program, line):
        path = folder / program
        path.write_text(f'#!/bin/sh\necho {program} "$@" >> {folder}/asked\n{line}\n')
        path.chmod(0o755)

    replace.asked = lambda: (folder / "asked").read_text() if (folder / "asked").exists() else ""
    for program in ("squeue", "scontrol", "scancel", "sacct"):
        replace(program, "exit 1")
    return replace


class Plugin:
    """An executor that judges as the plugin does, forgetting its jobs whenever it cannot ask."""

    def __init__(self, forgets=False):
        self.run_uuid, self.forgets, self.wait = "feyntune_1", forgets, True
        self.ended, self.failed, self.asked, self.submitted = [], [], [], []
        self.logger = logging.getLogger("guard")
        settings = SimpleNamespace(seconds_between_status_checks=0.01)
        self.workflow = SimpleNamespace(remote_execution_settings=settings)

    async def check_active_jobs(self, jobs):
        self.asked += [job.external_jobid for job in jobs]
        for job in [] if self.forgets else jobs:
            yield job

    def report_job_success(self, job):
        self.ended.append(job.external_jobid)

    def report_job_error(self, job, msg=None):
        self.failed.append((job.external_jobid, msg))

    def run_job(self, job):
        self.submitted.append(job)


Patient = patience.patient(Plugin)


def job(number, log=None):
    """A job that was submitted."""
    return SimpleNamespace(external_jobid=number, job=SimpleNamespace(name="train", wildcards=["a"], log=log or []))


def look(executor, jobs):
    """One look at the queue: the ids of the jobs that go on."""

    async def collect():
        return [each.external_jobid async for each in executor.check_active_jobs(jobs)]

    return asyncio.run(collect())


def test_jobs_go_on_while_the_controller_does_not_answer(slurm, caplog):
    executor, jobs = Patient(), [job("1"), job("2")]
    assert look(executor, jobs) == ["1", "2"] and look(executor, jobs) == ["1", "2"]
    assert executor.asked == []
    assert caplog.text.count("the controller does not answer") == 1
    slurm("squeue", "echo '1|RUNNING|None'; echo '2|RUNNING|None'")
    assert look(executor, jobs) == ["1", "2"]
    assert executor.asked == ["1", "2"] and "the controller is back" in caplog.text


def test_jobs_that_the_plugin_forgets_go_on(slurm):
    slurm("squeue", "echo '1|RUNNING|None'")
    assert look(Patient(forgets=True), [job("1")]) == ["1"]


@pytest.mark.parametrize(("recorded", "ended", "failed"), [
    ("COMPLETED", ["1"], []),
    ("CANCELLED by 0", [], [("1", "SLURM-job '1' has ended as CANCELLED. ")]),
    ("", ["1"], []),
])  # fmt: skip
def test_a_job_that_the_controller_has_forgotten_is_looked_up(slurm, recorded, ended, failed):
    slurm("squeue", "true")
    slurm("sacct", f"echo '{recorded}'")
    executor = Patient()
    assert look(executor, [job("1")]) == ["1"], "it may be between two states"
    assert look(executor, [job("1")]) == []
    assert (executor.ended, executor.failed) == (ended, failed)


def test_a_job_that_still_runs_by_the_database_goes_on(slurm):
    slurm("squeue", "true")
    slurm("sacct", "echo RUNNING")
    executor = Patient()
    assert [look(executor, [job("1")]) for _ in range(3)] == [["1"]] * 3


@pytest.mark.parametrize("state", sorted(patience.UNKNOWN_ENDS))
def test_ends_that_the_plugin_does_not_know_are_failures(slurm, state):
    slurm("squeue", f"echo '1|{state}|None'")
    executor = Patient()
    look(executor, [job("1")])
    assert look(executor, [job("1")]) == [] and executor.asked == []
    assert executor.failed == [("1", f"SLURM-job '1' has ended as {state}. ")]


def test_a_held_job_is_told_once_and_goes_on(slurm, caplog):
    slurm("squeue", "echo '1|PENDING|JobHeldAdmin'")
    executor = Patient()
    assert look(executor, [job("1")]) == look(executor, [job("1")]) == ["1"]
    assert caplog.text.count("job 1 (train) is held (JobHeldAdmin): type `scontrol release 1`") == 1


def test_a_job_that_can_never_start_is_cancelled_and_failed(slurm):
    slurm("squeue", "echo '1|PENDING|PartitionTimeLimit'; echo '2|PENDING|Priority'")
    executor = Patient()
    assert look(executor, [job("1"), job("2")]) == ["2"]
    assert executor.failed[0][0] == "1" and "scancel 1" in slurm.asked()


def test_a_failure_is_one_line_with_the_programs_own_words(slurm, tmp_path, caplog):
    log = tmp_path / "train.log"
    log.write_text("train a: error: an earlier attempt\ntrain a: error: no room\n")
    Patient().report_job_error(job("1", log=[str(log)]), msg="SLURM-job '1' failed, SLURM status is: 'FAILED'. ")
    line = f"slurm: train a: SLURM-job '1' failed, SLURM status is: 'FAILED'. train a: error: no room (log: {log})"
    assert line in caplog.messages


def test_nothing_is_submitted_while_nobody_takes_jobs(slurm, tmp_path, monkeypatch):
    monkeypatch.setattr(patience, "PAUSE", 0)
    slurm("squeue", f"[ $(wc -l < {tmp_path}/slurm-programs/asked) -gt 3 ]")
    executor = Patient()
    executor.run_job("job")
    assert executor.submitted == ["job"] and slurm.asked().count("squeue") == 4


def test_a_run_that_ends_submits_nothing_more(slurm):
    executor = Patient()
    executor.wait = False
    executor.run_job("job")
    assert executor.submitted == []


DEFAULTS = {"slurm_account": SimpleNamespace(raw="$SBATCH_ACCOUNT"), "mem_mb": SimpleNamespace(raw=1)}


def test_an_account_is_demanded_where_the_profile_names_one(monkeypatch):
    monkeypatch.delenv("SBATCH_ACCOUNT", raising=False)
    with pytest.raises(FeynTuneError, match="export SBATCH_ACCOUNT=YOUR_ACCOUNT"):
        account.demand_account(DEFAULTS)
    monkeypatch.setenv("SBATCH_ACCOUNT", "su123")
    account.demand_account(DEFAULTS)
    account.demand_account({"slurm_account": SimpleNamespace(raw="'other'")})
    account.demand_account({})
    account.demand_account(None)


def queue_of(folder, *rows):
    """A line of shell that prints a queue: ids and comments of jobs that work in ``folder``."""
    return "; ".join(f"echo '{number}|{folder}|{note}'" for number, note in rows) or "true"


def test_orphans_are_our_jobs_in_this_folder_only(slurm, tmp_path):
    mine = queue_of(tmp_path, ("1", "rule_train_wildcards_a"), ("2", "(null)"), ("4", "group_x"))
    slurm("squeue", mine + "; " + queue_of("/elsewhere", ("3", "rule_train")))
    assert queue.alive(str(tmp_path)) == ["1", "4"]


def test_orphans_are_cancelled_and_waited_for(slurm, tmp_path):
    over = tmp_path / "over"
    slurm("squeue", f"[ -e {over} ] || {queue_of(tmp_path, ('7', 'rule_train'))}")
    slurm("scancel", f"touch {over}")
    assert orphans.end_orphans(tmp_path, None, 5) == ["7"]
    assert "scancel 7" in slurm.asked()


def test_orphans_that_do_not_end_let_nothing_start(slurm, tmp_path):
    slurm("squeue", queue_of(tmp_path, ("7", "rule_train")))
    with pytest.raises(FeynTuneError, match="cancelled, but not over yet: job 7;"):
        orphans.end_orphans(tmp_path, socket.gethostname(), 0)


def test_without_an_answer_nothing_starts(slurm, tmp_path):
    with pytest.raises(FeynTuneError, match="squeue does not answer"):
        orphans.end_orphans(tmp_path, None, 0)


def test_a_driver_is_alone_and_leaves_its_name(slurm, tmp_path):
    slurm("squeue", "true")
    with orphans.alone(tmp_path):
        note = json.loads((tmp_path / ".snakemake/driver/driver.json").read_text())
        assert note == {"host": socket.gethostname(), "process": os.getpid()}
        with pytest.raises(FeynTuneError, match="another Snakemake"), orphans.alone(tmp_path):
            pass
    with orphans.alone(tmp_path):
        pass


def test_a_lock_that_a_dead_driver_left_is_told_with_what_to_type(slurm, tmp_path):
    slurm("squeue", "true")
    (tmp_path / ".snakemake/locks").mkdir(parents=True)
    (tmp_path / ".snakemake/locks/0.input.lock").touch()
    with (
        pytest.raises(FeynTuneError, match="type `snakemake --unlock`, then the same command"),
        orphans.alone(tmp_path),
    ):
        pass


@pytest.mark.parametrize(("needed", "withheld"), [((), " WANDB_API_KEY"), (WANDB, "")])
def test_jobs_are_submitted_without_secrets(monkeypatch, needed, withheld):
    plugin = ModuleType("plugin")
    plugin.get_submit_command = lambda job, params: f"sbatch {job} {params}"
    monkeypatch.setitem(sys.modules, "plugin", plugin)
    secrecy.withhold(type("Executor", (), {"__module__": "plugin"}), needed)
    assert plugin.get_submit_command("a", params="b") == f"unset HF_TOKEN HUGGINGFACE_API_KEY{withheld}; sbatch a b"
