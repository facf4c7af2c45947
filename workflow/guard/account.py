"""The account that jobs are charged to: a profile that names a variable for it demands that the variable is set."""

from feyntune.core.errors import FeynTuneError


def demand_account(defaults):
    """Check ``default-resources``.

    Args:
        defaults: a mapping to Snakemake's resources, or None.

    Raises:
        FeynTuneError: ``slurm_account`` is a variable of the environment that is empty or not there.
    """
    account = _text(defaults, "slurm_account")
    if account is None or (account and not account.startswith("$")):
        return
    variable = account.strip("${}") or "SBATCH_ACCOUNT"
    raise FeynTuneError(
        f"slurm: no account to charge; type `export {variable}=YOUR_ACCOUNT`, then the same command again"
        " (`sacctmgr show associations user=$USER format=account` lists yours)"
    )


def _text(defaults, name):
    """The value of a resource as the profile or the command line has it, variables put in; None if there is none."""
    import os

    resource = (defaults or {}).get(name)
    if resource is None:
        return None
    return os.path.expandvars(str(getattr(resource, "raw", resource)).strip("'\""))
