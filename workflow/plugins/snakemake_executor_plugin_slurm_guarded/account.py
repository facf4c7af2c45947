"""The account that jobs are charged to: if the profile takes it from a variable, that variable must be set."""

from __future__ import annotations

import os
from collections.abc import Mapping

from feyntune.core.errors import FeynTuneError


def demand_account(defaults: Mapping[str, object] | None) -> None:
    """Check ``default-resources``.

    Args:
        defaults: Snakemake's resources by name, or None.

    Raises:
        FeynTuneError: ``slurm_account`` is an environment variable that is empty or not set.
    """
    account = _text(defaults, "slurm_account")
    if account is None or (account and not account.startswith("$")):
        return
    variable = account.strip("${}") or "SBATCH_ACCOUNT"
    raise FeynTuneError(
        f"slurm: no account to charge; type `export {variable}=YOUR_ACCOUNT`, then the same command again"
        " (`sacctmgr show associations user=$USER format=account` lists yours)"
    )


def _text(defaults: Mapping[str, object] | None, name: str) -> str | None:
    """The value of a resource as the profile or the command line gives it, variables expanded; None without one."""
    resource = (defaults or {}).get(name)
    if resource is None:
        return None
    return os.path.expandvars(str(getattr(resource, "raw", resource)).strip("'\""))
