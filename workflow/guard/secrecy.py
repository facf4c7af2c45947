"""Secrets stay where the driver runs: jobs inherit its environment, but not what is secret in it."""

import sys

from feyntune.core.secrets import HUB, WANDB


def withhold(executor, needed):
    """Let an executor submit its jobs without the variables that hold secrets.

    Args:
        executor: class of ``snakemake_executor_plugin_slurm``, which has sbatch export all variables.
        needed: names of variables that jobs must have all the same.
    """
    plugin, names = sys.modules[executor.__module__], [name for name in (*HUB, *WANDB) if name not in needed]
    submit_command = plugin.get_submit_command
    plugin.get_submit_command = lambda *arguments, **others: (
        f"unset {' '.join(names)}; {submit_command(*arguments, **others)}"
    )
