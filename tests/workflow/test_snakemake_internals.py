"""What we use of Snakemake and its SLURM plugin beyond their documented interfaces: the only list of it.

The Snakefile refuses Snakemake 10 and later, and slurm-guarded refuses any SLURM plugin but 2.8. If one of these tests
fails after an upgrade, read the places named here before you change the version.

workflow/Snakefile, workflow/rules/common.smk
    attributes of ``workflow``: ``basedir``, ``overwrite_configfiles``, ``resource_settings.default_resources``
workflow/rules/paths.smk
    ``format_cli_value`` of the interface of executors, which quotes by ``repr``, is replaced; the flags of inputs of
    the main workflow's modifier, which are applied to what input functions return, after wildcards and path variables
workflow/rules/earlier.smk
    attributes of ``workflow``, its DAG and its jobs, see ``READ``; records of outputs are read and written; a failed
    job replaces the records of its outputs before these are deleted (``Job.postprocess``)
workflow/plugins/snakemake_executor_plugin_plan, scripts/feyntune/planning/dag.py
    attributes of the workflow, its DAG, its jobs and their reasons, see ``READ``; the executor is made when the DAG is
    finished, also if there is nothing to be done; resources are evaluated again after ``reset_params_and_resources``
workflow/plugins/snakemake_executor_plugin_slurm_guarded
    ``get_submit_command`` of the SLURM plugin is replaced (environment.py); attributes of its executor: ``run_uuid``,
    ``wait``, ``next_seconds_between_status_checks``; it escapes nothing but double quotes in the commands of jobs
"""

from importlib.metadata import version

import pytest
import snakemake.cli  # noqa: F401  first of all: modules of Snakemake import each other
import snakemake_executor_plugin_slurm as slurm_plugin
from snakemake.dag import DAG
from snakemake.jobs import Job, Reason
from snakemake.persistence import PersistenceBase
from snakemake.workflow import Workflow
from snakemake_interface_executor_plugins import utils as command_lines
from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor

READ = {
    Workflow: ["dag", "persistence", "register_resource", "rules", "overwrite_configfiles", "workdir_init", "envvars"],
    DAG: ["jobs", "needrun", "reason", "dependencies"],
    RemoteExecutor: ["get_job_args", "get_job_exec_prefix", "get_jobscript", "format_job_exec"],
    Job: [
        "reset_params_and_resources", "resources", "threads", "benchmark", "output", "wildcards_dict",
        "get_wait_for_files",
    ],
    PersistenceBase: ["has_metadata", "metadata", "cleanup_metadata", "_write_record"],
    Reason: [
        "forced", "missing_output", "incomplete_output", "params_changed", "code_changed", "input_changed",
        "updated_input", "updated_input_run",
    ],
    slurm_plugin.Executor: ["check_active_jobs", "cancel_jobs", "run_job", "shutdown", "sleep"],
}  # fmt: skip


def test_the_versions_are_those_that_were_read():
    assert version("snakemake").startswith("9.27.")
    assert version("snakemake-executor-plugin-slurm") == "2.8.0"


@pytest.mark.parametrize("owner", READ, ids=lambda owner: owner.__name__)
def test_what_we_read_is_there(owner):
    assert set(READ[owner]) <= set(dir(owner))


def test_command_lines_are_formatted_by_the_function_that_we_replace():
    for function in (command_lines.format_cli_arg, command_lines.format_cli_pos_arg):
        assert {"format_cli_value", "format_cli_pos_arg"} & set(function.__code__.co_names)
    assert command_lines.format_cli_value("$(a) 'b' \\", quote=True) == repr("$(a) 'b' \\"), (
        "Snakemake quotes by itself now"
    )


def test_the_slurm_plugin_makes_every_call_of_sbatch_by_the_function_that_we_replace():
    for method in (slurm_plugin.Executor.run_job, slurm_plugin.Executor.run_array_jobs):
        names = method.__code__.co_names
        assert "get_submit_command" in names and "Popen" in names
    call = slurm_plugin.get_submit_command.__code__
    assert any(isinstance(text, str) and text.startswith("sbatch ") for text in call.co_consts)
