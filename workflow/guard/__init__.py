"""Runs on SLURM, guarded: what a user must say is demanded, a dead driver's jobs are ended, no job is forgotten.

A run on SLURM begins with ``account`` and ``orphans``, and goes on with ``patience`` and ``secrecy``. Runs on one
machine, plans, and the jobs themselves are not touched, and import none of it.
"""

import sys


def watch(workflow, needed=()):
    """Let the checks come first whenever ``workflow`` (Snakemake's) is executed on SLURM.

    ``needed`` are names of variables that jobs must have although they are secret.
    """
    execute = workflow.execute

    def guarded(executor_plugin, **others):
        if executor_plugin.name != "slurm":
            return execute(executor_plugin=executor_plugin, **others)
        from feyntune.core.errors import FeynTuneError
        from guard.account import demand_account
        from guard.orphans import alone
        from guard.patience import patient
        from guard.secrecy import withhold

        withhold(executor_plugin.executor, needed)
        executor_plugin.executor = patient(executor_plugin.executor)
        try:
            demand_account(workflow.resource_settings.default_resources)
            with alone(workflow.workdir_init):
                return execute(executor_plugin=executor_plugin, **others)
        except FeynTuneError as error:
            sys.exit(str(error))

    workflow.execute = guarded
