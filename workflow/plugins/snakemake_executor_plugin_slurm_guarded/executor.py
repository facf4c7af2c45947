"""The SLURM plugin's executor, and what it lacks on a cluster where things go wrong.

By itself (version 2.8.0) it forgets every job that it asks about while the controller is down, and then waits for them
for ever (https://github.com/snakemake/snakemake-executor-plugin-slurm/issues/207). So it does with jobs that ended
longer ago than the controller remembers, with preempted jobs, and with "CANCELLED by" somebody in the accounting
database. It submits while no controller takes jobs, and counts that as attempts. It does not cancel the jobs that it is
just asking about, and takes up to three minutes to stop. It waits in silence for jobs that can never start. It writes
each command between double quotes, where the shell of the driver reads it: paths with `$` run or vanish.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import re
import shlex
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from snakemake_executor_plugin_slurm import Executor as SlurmExecutor
from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor

from . import queue, waiting

if TYPE_CHECKING:
    from snakemake.workflow import Workflow
    from snakemake_interface_executor_plugins.executors.base import SubmittedJobInfo
    from snakemake_interface_executor_plugins.jobs import JobExecutorInterface

PAUSE = 5
"""Seconds between two questions whether the controller is back."""
UNKNOWN_ENDS = {"CANCELLED", "PREEMPTED", "REVOKED"}
"""States of ended jobs that the plugin does not know, or not in every form."""
HELD = {"JobHeldUser", "JobHeldAdmin", "JobHoldMaxRequeue"}
"""Reasons, as squeue gives them, for which a pending job waits until it is released."""
IMPOSSIBLE = {
    "AccountNotAllowed", "AssocGrpCPUMinutesLimit", "AssocMaxCpuMinutesPerJobLimit", "AssocMaxCpuPerJobLimit",
    "AssocMaxGRESPerJob", "AssocMaxNodePerJobLimit", "AssocMaxWallDurationPerJobLimit", "BadConstraints",
    "DependencyNeverSatisfied", "InvalidAccount", "InvalidQOS", "PartitionNodeLimit", "PartitionTimeLimit",
    "QOSMaxCpuPerJobLimit", "QOSMaxGRESPerJob", "QOSMaxWallDurationPerJobLimit", "QOSNotAllowed",
}  # fmt: skip
"""Reasons for which a pending job never starts."""


class Executor(SlurmExecutor):
    """Checks before it submits, and loses no job; see above."""

    def __init__(self, workflow: Workflow, logger: logging.Logger) -> None:
        """Check that jobs can be submitted from here; end the process with one line if not."""
        self.finished: set[str | None] = set()
        self.suspects: set[str] = set()
        self.held: set[str] = set()
        self.is_controller_down = False
        self._check(workflow, logger)
        # In a job the plugin removes every variable of SLURM, also the one that says where SLURM's configuration is.
        configuration = {name: os.environ[name] for name in ("SLURM_CONF",) if name in os.environ}
        super().__init__(workflow, logger)
        os.environ.update(configuration)

    def _check(self, workflow: Workflow, logger: logging.Logger) -> None:
        """Imports late what needs our library: the Snakefile decides where that is."""
        from feyntune.core.errors import FeynTuneError

        from .account import demand_account
        from .environment import withhold_secrets
        from .orphans import hold_folder, listed

        try:
            withhold_secrets(workflow.envvars)
            demand_account(workflow.resource_settings.default_resources)
            self.driver_lock, ended = hold_folder(workflow.workdir_init)
        except FeynTuneError as error:
            sys.exit(str(error))
        if ended:
            logger.warning(f"slurm: cancelled {listed(ended)} of a Snakemake that was killed; checkpoints are kept")

    async def check_active_jobs(self, active_jobs: Sequence[SubmittedJobInfo]) -> AsyncIterator[SubmittedJobInfo]:
        """Judge the jobs of which there is something to judge; give back all that go on."""
        if active_jobs:
            found = await asyncio.to_thread(queue.states, self.run_uuid)
            self._report_controller(found is None)
            if found is not None:
                await self._judge(active_jobs, found)
        for job in active_jobs:
            if job.external_jobid not in self.finished:
                yield job

    async def _judge(self, jobs: Sequence[SubmittedJobInfo], found: Mapping[str, tuple[str, str]]) -> None:
        """Judge what the plugin misjudges, and let it judge the others.

        Args:
            jobs: the active jobs.
            found: state and reason by id of the jobs that the controller remembers.
        """
        left = []
        for job in jobs:
            state, reason = found.get(job.external_jobid, (None, ""))
            if state is None or state in UNKNOWN_ENDS:
                await asyncio.to_thread(self._judge_end, job, state)
                continue
            if state == "PENDING":
                self._judge_reason(job, reason)
            if job.external_jobid not in self.finished:
                left.append(job)
        async for _ in super().check_active_jobs(left):
            pass

    def _judge_end(self, job: SubmittedJobInfo, state: str | None) -> None:
        """Finish a job whose end the plugin does not know, or (None) that the controller has forgotten.

        Only when that is seen a second time: between two of its states a job may be in neither.
        """
        if job.external_jobid not in self.suspects:
            self.suspects.add(job.external_jobid)
            return
        state = state or queue.recorded_state(job.external_jobid)
        if state in (None, "COMPLETED"):
            # Nobody knows how it ended: Snakemake looks whether its files are there.
            self.report_job_success(job)
        elif state not in queue.UNFINISHED.split(","):
            self.report_job_error(job, msg=f"SLURM-job '{job.external_jobid}' has ended as {state}. ")

    def _judge_reason(self, job: SubmittedJobInfo, reason: str) -> None:
        """Report a job that is held; cancel one that can never start."""
        number, name = job.external_jobid, job.job.name
        if reason in HELD and number not in self.held:
            self.held.add(number)
            self.logger.error(f"slurm: job {number} ({name}) is held ({reason}): type `scontrol release {number}`")
        elif reason in IMPOSSIBLE:
            queue.ask("scancel", number)
            message = f"SLURM-job '{number}' can never start ({reason}): ask for less, or for what there is. "
            self.report_job_error(job, msg=message)

    def _report_controller(self, is_down: bool) -> None:
        """Report once that the controller went down, and once that it is back."""
        if is_down and not self.is_controller_down:
            self.logger.warning(
                "slurm: the controller does not answer; jobs go on, and so does Snakemake when it is back"
            )
        elif self.is_controller_down and not is_down:
            self.logger.warning("slurm: the controller is back")
        self.is_controller_down = is_down

    def report_job_success(self, job_info: SubmittedJobInfo) -> None:
        """Remember that the job has finished."""
        self.finished.add(job_info.external_jobid)
        super().report_job_success(job_info)

    def report_job_error(self, job_info: SubmittedJobInfo, msg: str | None = None, **others: object) -> None:
        """Remember that the job has finished, and say why in one line, which a quiet Snakemake does not.

        The call of sbatch is left out: it hides the reason in two screens of options.
        """
        message = (msg or "failed").split("    sbatch call:")[0]
        self.finished.add(job_info.external_jobid)
        self.logger.error(f"slurm: {_subject(job_info.job)}: {_reason(job_info.job, message)}")
        super().report_job_error(job_info, msg=message, **others)

    def run_job(self, job: JobExecutorInterface) -> None:
        """Submit a job when there is a controller that takes it."""
        while self.wait and not queue.is_answering():
            self._report_controller(True)
            time.sleep(PAUSE)
        if self.wait:
            super().run_job(job)

    def get_job_args(self, job: JobExecutorInterface) -> str:
        """The arguments of a job, without ``--wait-for-files``: see ``waiting``."""
        return str(super(RemoteExecutor, self).get_job_args(job))

    def get_job_exec_prefix(self, job: JobExecutorInterface) -> str:
        """What a job does first: wait for its files."""
        listing = Path(f"{self.get_jobscript(job)}.waits.json")
        listing.write_text(json.dumps([str(file) for file in job.get_wait_for_files()]), encoding="utf-8")
        seconds = self.workflow.execution_settings.latency_wait
        return shlex.join([self.get_python_executable(), waiting.__file__, str(listing), str(seconds)])

    def format_job_exec(self, job: JobExecutorInterface) -> str:
        """The command of a job. The plugin puts it between double quotes, and escapes no character but these."""
        command = str(super().format_job_exec(job))
        if self.workflow.executor_settings.pass_command_as_script:
            return command
        return re.sub(r"([\\$`])", r"\\\1", command)

    def cancel_jobs(self, active_jobs: Sequence[SubmittedJobInfo]) -> None:
        """Cancel every job of this run, also those that the plugin is just asking about."""
        self.wait = False
        queue.ask("scancel", f"--name={self.run_uuid}")
        super().cancel_jobs(active_jobs)

    def shutdown(self) -> None:
        """Stop; after an interrupt cancel also what was being submitted meanwhile."""
        interrupted = not self.wait
        super().shutdown()
        if interrupted:
            queue.ask("scancel", f"--name={self.run_uuid}")

    async def sleep(self) -> None:
        """Sleep until the next look at the queue (the plugin waits longer and longer), or until the run ends."""
        longest = 4 * self.workflow.remote_execution_settings.seconds_between_status_checks
        end = time.monotonic() + min(self.next_seconds_between_status_checks, longest)
        while self.wait and time.monotonic() < end:
            await asyncio.sleep(min(0.5, max(0, end - time.monotonic())))


def _subject(job: JobExecutorInterface) -> str:
    return " ".join([job.name, *(getattr(job, "wildcards", None) or [])])


def _reason(job: JobExecutorInterface, message: str) -> str:
    """Why a job has failed: what SLURM says, what its program said, where its log is."""
    said = " ".join(message.replace("Detailed failure reason unavailable (status command is not 'sacct').", "").split())
    logs = [Path(log) for log in job.log or [] if Path(log).exists()]
    lines = [line for log in logs for line in log.read_text(errors="replace").splitlines() if ": error: " in line]
    # A killed program wrote no error: the line is of an earlier attempt.
    errors = lines[-1:] if "FAILED" in message else []
    return " ".join([said, *errors, *(f"(log: {log})" for log in logs)])
