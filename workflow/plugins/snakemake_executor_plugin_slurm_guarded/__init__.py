"""Executor plugin ``slurm-guarded``: the SLURM plugin, with what it lacks on a cluster where things go wrong.

Before anything is submitted it checks the account (``account``), refuses a second driver in the same folder, and
cancels the jobs that a killed driver left (``orphans``). While jobs run it loses none of them (``executor``), and it
keeps the driver's secrets out of their environment (``environment``). Its settings are those of the SLURM plugin:
``slurm-guarded-…``.
"""

from snakemake_executor_plugin_slurm import ExecutorSettings, common_settings

from .executor import Executor

__all__ = ["Executor", "ExecutorSettings", "common_settings"]
