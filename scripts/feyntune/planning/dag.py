"""All jobs of the workflow and why they are stale, from Snakemake itself: under its own options, and nothing runs."""

import contextlib
import logging
import os
from pathlib import Path

from feyntune.core.errors import FeynTuneError
from feyntune.planning.jobs import AGAIN, DELETED, INTERRUPTED, NEW, RULE, Job, settings_changes

CORES_IN_A_CLUSTER = 10_000


def read_jobs(arguments):
    """Let Snakemake plan, as ``snakemake --dry-run`` does.

    Args:
        arguments: Snakemake's own command line, targets included.

    Returns:
        The jobs by key, in the order of the rules and of the runs; the checked configuration, and the runs, as the
        Snakefile has them; and what the machine offers: a dict of ``jobs`` (at a time), ``cores`` and ``gpu``, None
        where there is no limit.

    Raises:
        FeynTuneError: Snakemake cannot plan; it has told why.
    """
    from snakemake.cli import args_to_api, parse_args
    from snakemake.workflow import Workflow

    parser, options = parse_args(arguments)
    offered = _offered(options)
    _as_dry_run(options, offered["cores"])
    planned = {}
    with _instead_of(Workflow, "execute", lambda workflow, **_: planned.update(workflow=_build(workflow))):
        done = args_to_api(options, parser)
    if not done or "workflow" not in planned:
        raise FeynTuneError("Snakemake cannot plan: the reason is above")
    workflow = planned["workflow"]
    runs = workflow.globals["RUNS"]
    return _all_jobs(workflow, list(runs)), workflow.globals["CONFIG"], runs, offered


def _offered(options):
    """On one machine its cores count, in a cluster the jobs in the queue; a number of cards may be given for both."""
    alone = options.executor in (None, "local")
    cards = (options.resources or {}).get("gpu")
    return {
        "jobs": None if alone else options.jobs,
        "cores": (options.cores or options.jobs or os.cpu_count()) if alone else options.cores,
        "gpu": _number(getattr(cards, "value", cards)),
    }


def _as_dry_run(options, cores):
    """A plan needs no lock, takes half-made results for stale, and of Snakemake's words only those about faults."""
    from snakemake.logging import logger

    options.dryrun, options.nolock, options.rerun_incomplete = True, True, True
    logger.addFilter(lambda record: record.levelno >= logging.WARNING)
    options.cores = cores or CORES_IN_A_CLUSTER  # Snakemake cuts what jobs ask for to it


@contextlib.contextmanager
def _instead_of(owner, name, function):
    original = getattr(owner, name)
    setattr(owner, name, function)
    try:
        yield
    finally:
        setattr(owner, name, original)


def _build(workflow):
    """What ``Workflow.execute`` does before it runs anything."""
    forced = workflow.dag_settings.forceall
    workflow._prepare_dag(forceall=forced, ignore_incomplete=True, lock_warn_only=True, nolock=True)
    workflow._build_dag()
    return workflow


def _all_jobs(workflow, runs):
    keys = {job: _key(job) for job in workflow.dag.jobs if not job.rule.norun}
    rules = {rule.name: place for place, rule in enumerate(workflow.rules)}
    places = {run: place for place, run in enumerate(runs)}
    made = [_job(workflow.dag, job, keys) for job in keys]
    made.sort(key=lambda job: (rules[job.stage], places.get(job.run, -1), job.key))
    return {job.key: job for job in made}


def _key(job):
    return Job(job.rule.name, dict(job.wildcards_dict)).key


def _job(dag, job, keys):
    asked = job.resources
    return Job(
        stage=job.rule.name,
        wildcards=dict(job.wildcards_dict),
        why=_why(dag, job) if dag.needrun(job) else [],
        needs=sorted(keys[other] for other in dag.dependencies[job] if other in keys),
        threads=job.threads,
        mem_mb=_number(asked.get("mem_mb")),
        runtime=_number(asked.get("runtime")),
        gpu=_number(asked.get("gpu")) or 0,
        gpu_model=_gpu_model(asked),
        benchmark=str(job.benchmark) if job.benchmark else None,
        outputs=[str(file) for file in job.output],
    )


def _number(value):
    return int(value) if isinstance(value, int | float) else None


def _gpu_model(resources):
    """What a profile calls the GPU: in ``gpu_model``, or in ``gres`` as ``gpu:MODEL:NUMBER``."""
    told = resources.get("gpu_model") or str(resources.get("gres") or "").partition(":")[2].partition(":")[0]
    return told if isinstance(told, str) and not told.isdigit() else None


def _why(dag, job):
    """Reasons in words, the most telling first."""
    reason = dag.reason(job)
    if reason.forced:
        return ["forced"]
    if reason._missing_output or not _exists(job):
        return [_missing(dag, job)]
    told = []
    if reason._incomplete_output:
        told.append(INTERRUPTED)
    if reason.params_changed:
        told += settings_changes(_texts(reason.params_changed.only_old), _texts(reason.params_changed.only_new))
    if reason.code_changed:
        told.append(RULE)
    if reason.input_changed:
        told.append("it has other inputs")
    made_again = set(reason.updated_input_run)
    told += [f"changed: {file}" for file in sorted(map(str, set(reason.updated_input) - made_again))[:2]]
    if made_again:
        producers = sorted({other.rule.name for other in dag.dependencies[job] if dag.needrun(other)})
        told.append(f"{AGAIN} {', '.join(producers) or 'an input'}")
    return told or [str(reason) or "Snakemake says so"]


def _exists(job):
    return all(Path(file).exists() for file in job.output)


def _missing(dag, job):
    known = dag.workflow.persistence.has_metadata(job)
    return DELETED if known else NEW


def _texts(values):
    return sorted(map(str, values))
