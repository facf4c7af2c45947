"""The executor that plans. It imports the library late: every Snakemake process imports all installed plugins."""

from __future__ import annotations

import logging
import os
import sys
from typing import TYPE_CHECKING

from snakemake_interface_executor_plugins.executors.base import AbstractExecutor, SubmittedJobInfo

if TYPE_CHECKING:
    from snakemake.workflow import Workflow
    from snakemake_interface_executor_plugins.jobs import JobExecutorInterface


class Executor(AbstractExecutor):
    """Plans the jobs of the DAG, and reports each as done without running it."""

    def __init__(self, workflow: Workflow, logger: logging.Logger) -> None:
        """Plan at once: Snakemake makes the executor when the DAG is finished, also if there is nothing to be done."""
        super().__init__(workflow, logger)
        logger.setLevel(logging.WARNING)  # the plan replaces Snakemake's list of jobs
        if "CONFIG" not in workflow.globals:
            sys.exit("plan: this Snakefile is not FeynTune's; use `snakemake --dry-run`")
        from feyntune.core.errors import FeynTuneError

        try:
            _plan(workflow)
        except FeynTuneError as error:
            sys.exit(f"plan: {error}")

    def run_job_pre(self, job: JobExecutorInterface) -> None:
        """Do not list the job, but evaluate its resources: the scheduler reads them where Snakemake cannot."""
        _ = job.resources

    def run_job(self, job: JobExecutorInterface) -> None:
        """Report the job as done."""
        submitted = SubmittedJobInfo(job)
        self.report_job_submission(submitted)
        self.report_job_success(submitted)

    def shutdown(self) -> None:
        """Do nothing: no job was started."""

    def cancel(self) -> None:
        """Do nothing: no job was started."""

    def handle_job_success(self, job: JobExecutorInterface) -> None:
        """Do nothing: no job was started."""

    def handle_job_error(self, job: JobExecutorInterface) -> None:
        """Do nothing: no job was started."""


def _plan(workflow: Workflow) -> None:
    """Print the plan, and keep its predictions in results/plan.json for the report."""
    from feyntune.planning.calibrate import keep
    from feyntune.planning.dag import read_jobs, read_offered
    from feyntune.planning.plan import make_plan
    from feyntune.planning.render import render

    configuration, runs = workflow.globals["CONFIG"], workflow.globals["RUNS"]
    offered = read_offered(workflow, workflow.executor_settings.cluster)
    jobs = read_jobs(workflow, list(runs), offered["cores"])
    plan = make_plan(jobs, configuration, runs, offered)
    _print("\n".join(render(plan)))
    keep(plan, set(jobs))


def _print(text: str) -> None:
    try:
        print(text, flush=True)
    except BrokenPipeError:  # whoever reads it, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
