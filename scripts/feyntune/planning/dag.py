"""All jobs of the workflow and why they are stale, read from Snakemake's DAG.

Nothing here imports Snakemake at run time: the executor plugin `workflow/plugins/snakemake_executor_plugin_plan` calls
it with the finished DAG.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from feyntune.planning.jobs import AGAIN, DELETED, INTERRUPTED, NEW, RULE, Job, Offered, settings_changes
from feyntune.planning.restored import STAGES

if TYPE_CHECKING:
    from snakemake.dag import DAG
    from snakemake.iocontainers import Namedlist
    from snakemake.jobs import Job as SnakemakeJob
    from snakemake.workflow import Workflow


def read_offered(workflow: Workflow, on_cluster: bool) -> Offered:
    """What may run side by side: ``jobs``, ``cores`` and ``gpu``; None is no limit.

    On one machine its cores count, on a cluster the jobs in the queue; a number of GPUs may be given for both.

    Args:
        workflow: Snakemake's workflow.
        on_cluster: whether the jobs would go to a cluster. Snakemake takes `--jobs` for cores in every plan, because
            the executor is not a remote one.
    """
    cores, nodes, gpus = (_limit(workflow, name) for name in ("_cores", "_nodes", "gpu"))
    if not on_cluster:
        return {"jobs": None, "cores": cores or os.cpu_count(), "gpu": gpus}
    return {"jobs": nodes or cores, "cores": cores if nodes else None, "gpu": gpus}


def _limit(workflow: Workflow, name: str) -> int | None:
    """What the command line or the profile has of a resource in all."""
    return _number(getattr(workflow.global_resources.get(name), "value", None))


def read_jobs(workflow: Workflow, runs: Sequence[str], cores: int | None) -> dict[str, Job]:
    """Every job of the DAG, stale or not.

    Args:
        workflow: Snakemake's workflow with its finished DAG.
        runs: names of all runs, in their order.
        cores: the most threads that a job can have; None is no limit.

    Returns:
        The jobs by key, in the order of the rules and of the runs.
    """
    dag = workflow.dag
    keys = {job: _key(job) for job in dag.jobs if not job.rule.norun}
    rules = {rule.name: place for place, rule in enumerate(workflow.rules)}
    places: dict[str | None, int] = {run: place for place, run in enumerate(runs)}
    _limit_threads(workflow, keys, cores)
    made = [_job(dag, job, keys) for job in keys]
    made.sort(key=lambda job: (rules[job.stage], places.get(job.run, -1), job.key))
    return {job.key: job for job in made}


def _limit_threads(workflow: Workflow, jobs: Iterable[SnakemakeJob], cores: int | None) -> None:
    """Let jobs have the threads that they ask for up to ``cores``: Snakemake itself has cut them to `--jobs`."""
    workflow.register_resource("_cores", cores)
    for job in jobs:
        job.reset_params_and_resources()


def _key(job: SnakemakeJob) -> str:
    return Job(job.rule.name, dict(job.wildcards_dict)).key


def _job(dag: DAG, job: SnakemakeJob, keys: Mapping[SnakemakeJob, str]) -> Job:
    asked, stale = job.resources, dag.needrun(job)
    compared = stale and job.rule.name in STAGES
    return Job(
        stage=job.rule.name,
        wildcards=dict(job.wildcards_dict),
        why=_why(dag, job) if stale else [],
        needs=sorted(keys[other] for other in dag.dependencies[job] if other in keys),
        threads=job.threads,
        mem_mb=_number(asked.get("mem_mb")),
        runtime=_number(asked.get("runtime")),
        gpu=_number(asked.get("gpu")) or 0,
        gpu_model=_gpu_model(asked),
        benchmark=str(job.benchmark) if job.benchmark else None,
        outputs=[str(file) for file in job.output],
        params=_named_texts(job.params) if compared else {},
        inputs=_named_texts(job.input) if compared else {},
    )


def _named_texts(values: Namedlist) -> dict[str, str]:
    """Those of the named values that are texts or single files."""
    return {name: str(value) for name, value in values.items() if isinstance(value, str)}


def _number(value: object) -> int | None:
    return int(value) if isinstance(value, int | float) else None


def _gpu_model(resources: Mapping[str, int | str]) -> str | None:
    """What a profile calls the GPU: in ``gpu_model``, or in ``gres`` as ``gpu:MODEL:NUMBER``."""
    model = resources.get("gpu_model") or str(resources.get("gres") or "").partition(":")[2].partition(":")[0]
    return model if isinstance(model, str) and not model.isdigit() else None


def _why(dag: DAG, job: SnakemakeJob) -> list[str]:
    """Reasons in words, the most important first."""
    reason = dag.reason(job)
    if reason.forced:
        return ["forced"]
    if reason.missing_output or not _exists(job):
        return [_missing(dag, job)]
    reasons = []
    if reason.incomplete_output:
        reasons.append(INTERRUPTED)
    if reason.params_changed:
        reasons += settings_changes(_texts(reason.params_changed.only_old), _texts(reason.params_changed.only_new))
    if reason.code_changed:
        reasons.append(RULE)
    if reason.input_changed:
        reasons.append("it has other inputs")
    made_again = set(reason.updated_input_run)
    reasons += [f"changed: {file}" for file in sorted(map(str, set(reason.updated_input) - made_again))[:2]]
    if made_again:
        producers = sorted({other.rule.name for other in dag.dependencies[job] if dag.needrun(other)})
        reasons.append(f"{AGAIN} {', '.join(producers) or 'an input'}")
    return reasons or [str(reason) or "Snakemake says so"]


def _exists(job: SnakemakeJob) -> bool:
    return all(Path(file).exists() for file in job.output)


def _missing(dag: DAG, job: SnakemakeJob) -> str:
    known = dag.workflow.persistence.has_metadata(job)
    return DELETED if known else NEW


def _texts(values: Iterable[object]) -> list[str]:
    return sorted(map(str, values))
