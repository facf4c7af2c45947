"""Snakemake's executor for SLURM, and what it lacks on a cluster where things go wrong.

By itself (version 2.8.0) it forgets every job that it asks about while the controller is away, and then waits for them
for ever (https://github.com/snakemake/snakemake-executor-plugin-slurm/issues/207). It does so too for jobs that ended
longer ago than the controller remembers, for preempted ones, and for "CANCELLED by" somebody in the accounting
database. It submits while nobody takes jobs, and counts that as attempts. It does not cancel those jobs that it is just
asking about, and takes up to three minutes to stop. It waits in silence for jobs that can never start.
"""

import asyncio
import contextlib
import os
import time
from pathlib import Path

from guard import queue

# Seconds between two questions whether the controller is back.
PAUSE = 5
# Ends that the plugin does not know, or not in every way in which they are told.
UNKNOWN_ENDS = {"CANCELLED", "PREEMPTED", "REVOKED"}
# Reasons, as squeue gives them, for which a pending job never starts.
HELD = {"JobHeldUser", "JobHeldAdmin", "JobHoldMaxRequeue"}
IMPOSSIBLE = {
    "AccountNotAllowed", "AssocGrpCPUMinutesLimit", "AssocMaxCpuMinutesPerJobLimit", "AssocMaxCpuPerJobLimit",
    "AssocMaxGRESPerJob", "AssocMaxNodePerJobLimit", "AssocMaxWallDurationPerJobLimit", "BadConstraints",
    "DependencyNeverSatisfied", "InvalidAccount", "InvalidQOS", "PartitionNodeLimit", "PartitionTimeLimit",
    "QOSMaxCpuPerJobLimit", "QOSMaxGRESPerJob", "QOSMaxWallDurationPerJobLimit", "QOSNotAllowed",
}  # fmt: skip


def patient(executor):
    """A subclass of the plugin's executor that forgets no job; see above."""
    return type("Patient", (_Patience, executor), {})


def _subject(job):
    return " ".join([job.name, *(getattr(job, "wildcards", None) or [])])


def _reason(job, message):
    """Why a job has failed: what SLURM says, what its program said, where its log is."""
    said = " ".join(message.replace("Detailed failure reason unavailable (status command is not 'sacct').", "").split())
    logs = [Path(log) for log in job.log or [] if Path(log).exists()]
    lines = [line for log in logs for line in log.read_text(errors="replace").splitlines() if ": error: " in line]
    errors = lines[-1:] if "FAILED" in message else []  # killed ones said nothing: the line is of an earlier attempt
    return " ".join([said, *errors, *(f"(log: {log})" for log in logs)])


class _Patience:
    """Methods laid over ``snakemake_executor_plugin_slurm.Executor``."""

    def __init__(self, *arguments, **others):
        self.settled, self.doubtful, self.told, self.is_down = set(), set(), set(), False
        configuration = {name: os.environ[name] for name in ("SLURM_CONF",) if name in os.environ}
        super().__init__(*arguments, **others)
        # In a job the plugin takes away all that SLURM has set, and with it where the cluster's configuration is.
        os.environ.update(configuration)

    async def check_active_jobs(self, active_jobs):
        """Judge the jobs of which there is something to judge; give back all that go on."""
        if active_jobs:
            found = await asyncio.to_thread(queue.states, self.run_uuid)
            self._tell_whether_down(found is None)
            if found is not None:
                await self._judge(active_jobs, found)
        for job in active_jobs:
            if job.external_jobid not in self.settled:
                yield job

    async def _judge(self, jobs, found):
        for job in jobs:
            state, reason = found.get(job.external_jobid, (None, None))
            if state is None or state in UNKNOWN_ENDS:
                await asyncio.to_thread(self._judge_end, job, state)
            elif state == "PENDING":
                self._judge_reason(job, reason)
        known = [job for job in jobs if job.external_jobid in found and not self._is_ours(job, found)]
        async for _ in super().check_active_jobs(known):
            pass

    def _is_ours(self, job, found):
        return job.external_jobid in self.settled or found[job.external_jobid][0] in UNKNOWN_ENDS

    def _judge_end(self, job, state):
        """Settle a job of an end that the plugin does not know, or (None) that the controller has forgotten.

        Only when it is seen a second time: between two of its states a job may be neither here nor there.
        """
        if job.external_jobid not in self.doubtful:
            self.doubtful.add(job.external_jobid)
            return
        state = state or queue.recorded_state(job.external_jobid)
        if state in (None, "COMPLETED"):
            # Nobody knows how it ended: Snakemake looks whether its files are there.
            self.report_job_success(job)
        elif state not in queue.ALIVE.split(","):
            self.report_job_error(job, msg=f"SLURM-job '{job.external_jobid}' has ended as {state}. ")

    def _judge_reason(self, job, reason):
        number, name = job.external_jobid, job.job.name
        if reason in HELD and number not in self.told:
            self.told.add(number)
            self.logger.error(f"slurm: job {number} ({name}) is held ({reason}): type `scontrol release {number}`")
        elif reason in IMPOSSIBLE:
            queue.ask("scancel", number)
            message = f"SLURM-job '{number}' can never start ({reason}): ask for less, or for what there is. "
            self.report_job_error(job, msg=message)

    def _tell_whether_down(self, is_down):
        if is_down and not self.is_down:
            self.logger.warning(
                "slurm: the controller does not answer; jobs go on, and so does Snakemake when it is back"
            )
        elif self.is_down and not is_down:
            self.logger.warning("slurm: the controller is back")
        self.is_down = is_down

    def report_job_success(self, job_info):
        """Remember that the job is done with."""
        self.settled.add(job_info.external_jobid)
        super().report_job_success(job_info)

    def report_job_error(self, job_info, msg=None, **others):
        """Remember that the job is done with, and tell why in one line, which a quiet Snakemake does not."""
        self.settled.add(job_info.external_jobid)
        self.logger.error(f"slurm: {_subject(job_info.job)}: {_reason(job_info.job, msg or 'failed')}")
        super().report_job_error(job_info, msg=msg, **others)

    def run_job(self, job):
        """Submit a job when there is a controller that takes it."""
        while self.wait and not queue.is_answering():
            self._tell_whether_down(True)
            time.sleep(PAUSE)
        if self.wait:
            super().run_job(job)

    def _report_job_error_threadsafe(self, job_info, msg):
        """Leave out the call of sbatch, which hides why it failed in two screens of options."""
        super()._report_job_error_threadsafe(job_info, msg.split("    sbatch call:")[0])

    def cancel_jobs(self, active_jobs):
        """Cancel every job of this run: also those that are being asked about or submitted just now."""
        self.wait = False
        self._job_submission_executor.shutdown(wait=True, cancel_futures=True)
        queue.ask("scancel", f"--name={self.run_uuid}")
        super().cancel_jobs(active_jobs)

    async def sleep(self):
        """Sleep until the next look at the queue (the plugin waits longer and longer), or until the run ends."""
        longest = 4 * self.workflow.remote_execution_settings.seconds_between_status_checks
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._end_of_run(), min(self.next_seconds_between_status_checks, longest))

    async def _end_of_run(self):
        while self.wait:
            await asyncio.sleep(0.5)
