"""The executor slurm-guarded, with a made-up base class and made-up programs of SLURM."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import socket
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import snakemake_executor_plugin_slurm as slurm_plugin

from feyntune.core.errors import FeynTuneError
from feyntune.core.secrets import WANDB
from snakemake_executor_plugin_slurm_guarded import (
    Executor,
    account,
    environment,
    orphans,
    queue,
)
from snakemake_executor_plugin_slurm_guarded import (
    executor as guarded,
)


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
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


@pytest.fixture
def make(tmp_path, monkeypatch) -> Callable[..., Executor]:
    """A function that makes an executor, whose base class forgets its jobs whenever that is asked for.

    It notes the ids of jobs that it was asked about, that ended and that failed, and the jobs that it submitted.
    """

    def start(self, workflow, logger):
        self.run_uuid, self.wait, self.logger, self.workflow = "feyntune_1", True, logger, workflow
        self.ended, self.failed, self.asked, self.submitted = [], [], [], []

    async def check(self, jobs):
        self.asked += [job.external_jobid for job in jobs]
        for job in [] if self.forgets else jobs:
            yield job

    def fail(self, job, msg=None):
        self.failed.append((job.external_jobid, msg))

    base = slurm_plugin.Executor
    monkeypatch.setattr(slurm_plugin, "get_submit_command", slurm_plugin.get_submit_command)
    monkeypatch.setattr(base, "__init__", start)
    monkeypatch.setattr(base, "check_active_jobs", check)
    monkeypatch.setattr(base, "report_job_success", lambda self, job: self.ended.append(job.external_jobid))
    monkeypatch.setattr(base, "report_job_error", fail)
    monkeypatch.setattr(base, "run_job", lambda self, job: self.submitted.append(job))
    monkeypatch.setattr(base, "cancel_jobs", lambda self, jobs: None)
    monkeypatch.setattr(base, "shutdown", lambda self: None)
    monkeypatch.setattr(orphans, "hold_folder", lambda folder: (None, []))

    def make(forgets: bool = False, defaults: dict | None = None) -> Executor:
        workflow = SimpleNamespace(
            workdir_init=str(tmp_path),
            envvars=set(),
            resource_settings=SimpleNamespace(default_resources=defaults),
            remote_execution_settings=SimpleNamespace(seconds_between_status_checks=0.01),
        )
        executor = Executor(workflow, logging.getLogger("guard"))
        executor.forgets = forgets
        return executor

    return make


def job(number, log=None):
    """A job that was submitted."""
    return SimpleNamespace(external_jobid=number, job=SimpleNamespace(name="train", wildcards=["a"], log=log or []))


def look(executor, jobs):
    """One look at the queue: the ids of the jobs that go on."""

    async def collect():
        return [each.external_jobid async for each in executor.check_active_jobs(jobs)]

    return asyncio.run(collect())


def test_jobs_go_on_while_the_controller_does_not_answer(slurm, make, caplog):
    executor, jobs = make(), [job("1"), job("2")]
    assert look(executor, jobs) == ["1", "2"] and look(executor, jobs) == ["1", "2"]
    assert executor.asked == []
    assert caplog.text.count("the controller does not answer") == 1
    slurm("squeue", "echo '1|RUNNING|None'; echo '2|RUNNING|None'")
    assert look(executor, jobs) == ["1", "2"]
    assert executor.asked == ["1", "2"] and "the controller is back" in caplog.text


def test_jobs_that_the_plugin_forgets_go_on(slurm, make):
    slurm("squeue", "echo '1|RUNNING|None'")
    assert look(make(forgets=True), [job("1")]) == ["1"]


@pytest.mark.parametrize(("recorded", "ended", "failed"), [
    ("COMPLETED", ["1"], []),
    ("CANCELLED by 0", [], [("1", "SLURM-job '1' has ended as CANCELLED. ")]),
    ("", ["1"], []),
])  # fmt: skip
def test_a_job_that_the_controller_has_forgotten_is_looked_up(slurm, make, recorded, ended, failed):
    slurm("squeue", "true")
    slurm("sacct", f"echo '{recorded}'")
    executor = make()
    assert look(executor, [job("1")]) == ["1"], "it may be between two states"
    assert look(executor, [job("1")]) == []
    assert (executor.ended, executor.failed) == (ended, failed)


def test_a_job_that_still_runs_by_the_database_goes_on(slurm, make):
    slurm("squeue", "true")
    slurm("sacct", "echo RUNNING")
    executor = make()
    assert [look(executor, [job("1")]) for _ in range(3)] == [["1"]] * 3


@pytest.mark.parametrize("state", sorted(guarded.UNKNOWN_ENDS))
def test_ends_that_the_plugin_does_not_know_are_failures(slurm, make, state):
    slurm("squeue", f"echo '1|{state}|None'")
    executor = make()
    look(executor, [job("1")])
    assert look(executor, [job("1")]) == [] and executor.asked == []
    assert executor.failed == [("1", f"SLURM-job '1' has ended as {state}. ")]


def test_a_held_job_is_reported_once_and_goes_on(slurm, make, caplog):
    slurm("squeue", "echo '1|PENDING|JobHeldAdmin'")
    executor = make()
    assert look(executor, [job("1")]) == look(executor, [job("1")]) == ["1"]
    assert caplog.text.count("job 1 (train) is held (JobHeldAdmin): type `scontrol release 1`") == 1


def test_a_job_that_can_never_start_is_cancelled_and_failed(slurm, make):
    slurm("squeue", "echo '1|PENDING|PartitionTimeLimit'; echo '2|PENDING|Priority'")
    executor = make()
    assert look(executor, [job("1"), job("2")]) == ["2"]
    assert executor.failed[0][0] == "1" and "scancel 1" in slurm.asked()


def test_a_failure_is_one_line_with_the_programs_own_words(slurm, make, tmp_path, caplog):
    log = tmp_path / "train.log"
    log.write_text("train a: error: an earlier attempt\ntrain a: error: no room\n")
    make().report_job_error(job("1", log=[str(log)]), msg="SLURM-job '1' failed, SLURM status is: 'FAILED'. ")
    line = f"slurm: train a: SLURM-job '1' failed, SLURM status is: 'FAILED'. train a: error: no room (log: {log})"
    assert line in caplog.messages


def test_nothing_is_submitted_while_nobody_takes_jobs(slurm, make, tmp_path, monkeypatch):
    monkeypatch.setattr(guarded, "PAUSE", 0)
    slurm("squeue", f"[ $(wc -l < {tmp_path}/slurm-programs/asked) -gt 3 ]")
    executor = make()
    executor.run_job("job")
    assert executor.submitted == ["job"] and slurm.asked().count("squeue") == 4


def test_a_run_that_ends_submits_nothing_more(slurm, make):
    executor = make()
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
    assert queue.unfinished(str(tmp_path)) == ["1", "4"]


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
    lock, ended = orphans.hold_folder(tmp_path)
    assert ended == []
    note = json.loads((tmp_path / ".snakemake/driver/driver.json").read_text())
    assert note == {"host": socket.gethostname(), "process": os.getpid()}
    with pytest.raises(FeynTuneError, match=f"another Snakemake .process {os.getpid()} on .* let it end"):
        orphans.hold_folder(tmp_path)
    lock.close()
    orphans.hold_folder(tmp_path)[0].close()


def test_a_driver_that_is_refused_leaves_the_folder_to_others(slurm, tmp_path):
    slurm("squeue", queue_of(tmp_path, ("7", "rule_train")))
    with pytest.raises(FeynTuneError, match="cancelled, but not over yet"):
        orphans.hold_folder(tmp_path, grace=0)
    slurm("squeue", "true")
    orphans.hold_folder(tmp_path)[0].close()


def test_orphans_of_a_dead_driver_are_reported(slurm, make, monkeypatch, caplog):
    monkeypatch.setattr(orphans, "hold_folder", lambda folder: (None, ["7", "8"]))
    make()
    assert caplog.messages == ["slurm: cancelled jobs 7, 8 of a Snakemake that was killed; checkpoints are kept"]


def test_a_check_that_fails_ends_the_process_with_its_line(slurm, make, monkeypatch):
    monkeypatch.delenv("SBATCH_ACCOUNT", raising=False)
    with pytest.raises(SystemExit, match="slurm: no account to charge; type `export SBATCH_ACCOUNT"):
        make(defaults=DEFAULTS)


def test_an_interrupt_cancels_all_jobs_of_the_run_before_and_after_the_last_submissions(slurm, make):
    executor = make()
    executor.shutdown()
    assert slurm.asked() == ""
    executor.cancel_jobs([])
    executor.shutdown()
    assert slurm.asked() == "scancel --name=feyntune_1\n" * 2


@pytest.mark.parametrize(("needed", "withheld"), [((), " WANDB_API_KEY"), (WANDB, "")])
def test_jobs_are_submitted_without_secrets(monkeypatch, needed, withheld):
    monkeypatch.setattr(slurm_plugin, "get_submit_command", None)
    monkeypatch.setattr(environment, "_get_submit_command", lambda job, params: f"sbatch {job} {params}")
    environment.withhold_secrets(needed)
    unset = f"unset HF_TOKEN HUGGINGFACE_API_KEY{withheld}; "
    assert slurm_plugin.get_submit_command("a", params="b") == f"{unset}sbatch a b"


def test_another_version_of_the_slurm_plugin_is_refused(monkeypatch):
    monkeypatch.setattr(environment, "version", lambda package: "2.9.0")
    with pytest.raises(FeynTuneError, match=r"slurm 2\.9\.0 is not supported; type `pip install"):
        environment.withhold_secrets(())
