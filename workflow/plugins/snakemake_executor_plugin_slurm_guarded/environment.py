"""Secrets stay where the driver runs: jobs inherit its environment, except the variables that hold secrets."""

from __future__ import annotations

from collections.abc import Collection
from importlib.metadata import version

import snakemake_executor_plugin_slurm as slurm_plugin

from feyntune.core.errors import FeynTuneError
from feyntune.core.secrets import HUB, WANDB

SUPPORTED = "2.8."
"""Versions of the SLURM plugin in which ``get_submit_command`` makes every call of sbatch."""
_get_submit_command = slurm_plugin.get_submit_command


def withhold_secrets(needed: Collection[str]) -> None:
    """Let the SLURM plugin submit jobs without the variables that hold secrets.

    The plugin has sbatch export the whole environment, and no method of its executor can change that: its function
    that makes the call is replaced. This is the only internal of the plugin that we replace.

    Args:
        needed: names of the variables that jobs need all the same (`envvars:` in the Snakefile, or `--envvars`).

    Raises:
        FeynTuneError: another version of the SLURM plugin, which may submit jobs in another way.
    """
    installed = version("snakemake-executor-plugin-slurm")
    if not installed.startswith(SUPPORTED):
        raise FeynTuneError(
            f"slurm: snakemake-executor-plugin-slurm {installed} is not supported;"
            f" type `pip install 'snakemake-executor-plugin-slurm=={SUPPORTED}*'`"
        )
    names = " ".join(name for name in (*HUB, *WANDB) if name not in needed)

    def get_submit_command(*arguments: object, **others: object) -> str:
        return f"unset {names}; {_get_submit_command(*arguments, **others)}"

    slurm_plugin.get_submit_command = get_submit_command
