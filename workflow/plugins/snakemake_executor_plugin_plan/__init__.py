"""Executor plugin ``plan``: `snakemake --executor plan` prints what would run, why, and what it costs.

It works like a dry run: it takes no lock, starts no job and makes no output of the workflow. It honours every option of
Snakemake, because Snakemake builds the DAG as it does for any other executor.
"""

import sys
from dataclasses import dataclass, field

from snakemake_interface_executor_plugins.settings import CommonSettings, ExecutorSettingsBase

from .arguments import explain_mistakes
from .executor import Executor

__all__ = ["Executor", "ExecutorSettings", "common_settings"]

explain_mistakes(sys.argv)

common_settings = CommonSettings(
    # Never true, also for plans of a cluster: beside a remote executor, Snakemake runs local rules for real.
    non_local_exec=False,
    dryrun_exec=True,
    implies_no_shared_fs=False,
    job_deploy_sources=False,
    pass_envvar_declarations_to_cmd=False,
    auto_deploy_default_storage_provider=False,
)


@dataclass
class ExecutorSettings(ExecutorSettingsBase):
    """Settings of the plan; profiles set them as ``plan-…``."""

    cluster: bool = field(
        default=False,
        metadata={
            "help": "Plan for a cluster: `--jobs`, not this machine's cores, limits how many jobs run at a time."
        },
    )
