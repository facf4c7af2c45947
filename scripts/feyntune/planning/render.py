"""The plan as text: tables by stage and by run, totals, and warnings with the setting to change."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from feyntune.config.schema.resources import Resources
from feyntune.core.units import MISSING, count, duration, gigabytes
from feyntune.planning.jobs import grouped
from feyntune.planning.work import SAFE

if TYPE_CHECKING:
    from feyntune.planning.jobs import Job
    from feyntune.planning.plan import Plan, Planned

MOST_ROWS = 60


def render(plan: Plan) -> list[str]:
    """The plan as lines of text, with its warnings at the end."""
    if not plan.jobs:
        return [f"All {plan.total:,} jobs are up to date: nothing would run."]
    lines = [*_columns(_stage_rows(plan)), ""]
    runs = _run_rows(plan)
    if len(runs) > 1:
        lines += [*_columns(runs[: MOST_ROWS + 1]), ""]
        if len(runs) > MOST_ROWS + 1:
            lines += [f"... and {len(runs) - MOST_ROWS - 1:,} more runs", ""]
    lines.append(_total(plan))
    lines += [f"assumed: {line}" for line in plan.assumed]
    return lines + [f"warning: {line}" for line in warnings(plan)]


def _total(plan: Plan) -> str:
    jobs = plan.jobs.values()
    at_once = ", ".join(f"{number:,} {name}{'s' * (number != 1)}" for name, number in _limits(plan))
    hours = sum(each.gpu_seconds for each in jobs) / 3600
    asked = sum(each.asked_gpu_seconds for each in jobs) / 3600
    disk = sum(each.work.disk for each in jobs)
    about = "more than" if any(each.seconds is None for each in jobs) else "about"
    threads = [each.job.threads for each in jobs]
    gpus = f" {hours:,.1f} GPU-hours (time limits ask for {asked:,.0f});" if asked else ""
    return (
        f"{len(plan.jobs):,} of {plan.total:,} jobs; {about} {duration(plan.wall)} of wall time ({at_once} at a time);"
        f"{gpus} {gigabytes(disk) if disk >= 1e6 else 'less than 1 MB'} of disk;"
        f" {sum(threads):,} cores in all, at most {max(threads)} per job"
    )


def _limits(plan: Plan) -> list[tuple[str, int]]:
    """Names and numbers of what limits how many jobs run at a time."""
    offered, gpus = plan.offered, any(each.job.gpu for each in plan.jobs.values())
    limits = [("job", offered["jobs"]), ("core", offered["cores"]), ("GPU", offered["gpu"] if gpus else None)]
    return [(name, number) for name, number in limits if number is not None]


def _groups(plan: Plan, name_of: Callable[[Job], str | None]) -> dict[str, list[Planned]]:
    groups: dict[str, list[Planned]] = {}
    for each in plan.jobs.values():
        if name := name_of(each.job):
            groups.setdefault(name, []).append(each)
    return groups


HEADER = ("jobs", "tokens", "total time", "longest", "limit", "GPU-hours", "peak memory", "disk")


def _stage_rows(plan: Plan) -> list[list[str]]:
    """A row for each stage: the sums over its jobs, the longest and the largest job, and why they run."""
    rows = [["stage", *HEADER, "why"]]
    for stage, jobs in _groups(plan, lambda job: job.stage).items():
        rows.append([stage, *_numbers(jobs), grouped([each.job for each in jobs])])
    return [*rows, ["total", *_numbers(list(plan.jobs.values())), ""]]


def _run_rows(plan: Plan) -> list[list[str]]:
    rows = [["run", *HEADER, "stages"]]
    groups = _groups(plan, lambda job: job.run)
    for run in filter(groups.get, plan.runs):
        stages = dict.fromkeys(each.job.stage for each in groups[run])
        rows.append([run, *_numbers(groups[run]), ", ".join(stages)])
    return rows


def _numbers(jobs: Sequence[Planned]) -> list[str]:
    """The columns of ``HEADER``."""
    known = [each for each in jobs if each.seconds is not None]
    longest = max(known, key=lambda each: each.seconds or 0, default=None)
    peak = max((each.work.peak or 0 for each in jobs), default=0)
    gpu = sum(each.gpu_seconds for each in jobs) / 3600
    return [
        f"{len(jobs):,}",
        count(sum(each.work.tokens or 0 for each in jobs)),
        duration(sum(each.seconds or 0 for each in known)) if known else "unknown",
        duration(longest.seconds or 0) if longest else "unknown",
        duration(60 * longest.job.runtime) if longest and longest.job.runtime else MISSING,
        f"{gpu:,.1f}" if gpu else MISSING,
        gigabytes(peak),
        gigabytes(sum(each.work.disk for each in jobs)),
    ]


def _columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows of text in columns: the first and the last aligned to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    last = len(widths) - 1
    return [
        "  ".join(
            cell.ljust(width) if place in (0, last) else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


REQUEST_OF = {
    "control_papers": "dataset",
    "build_dataset": "dataset",
    "mix_dataset": "dataset",
    "import_dataset": "dataset",
    "hold_out": "dataset",
    "join_splits": "dataset",
    "evaluation_set": "dataset",
    "read_texts": "dataset",
    "select_dates": "dataset",
    "prepare_metric": "metrics",
    "prepare_cpu_metric": "metrics",
    "metric": "metrics",
    "cpu_metric": "metrics",
    "train_full": "train",
}
"""The entry of `resources` that a rule uses, if it has another name than the rule; else it is `summarise`."""
LESS_MEMORY = {
    "train": "training.per_device_batch_size (smaller) or training.gradient_checkpointing (true)",
    "train_full": "training.optimizer.name (adamw_8bit), training.gradient_checkpointing (true) or a smaller model",
    "complete": "generation.batch_size (smaller)",
    "perplexity": "perplexity.batch_tokens (smaller)",
    "prepare_metric": "the metric's batch_size (smaller)",
    "metric": "the metric's batch_size (smaller)",
    "similarity": "the evaluation set's limit",
}
"""The settings that reduce the memory of a stage."""


def warnings(plan: Plan) -> list[str]:
    """A line for each stage with jobs that exceed a limit, with the worst job and the setting to change."""
    stages = _groups(plan, lambda job: job.stage)
    return [line for stage, jobs in stages.items() for line in (*_late(stage, jobs), *_large(stage, jobs))]


def _late(stage: str, jobs: Sequence[Planned]) -> Iterator[str]:
    late = [(each, each.seconds or 0, each.job.runtime) for each in jobs if each.job.runtime]
    late = [(each, seconds, limit) for each, seconds, limit in late if seconds > SAFE * 60 * limit]
    if late:
        worst, seconds, limit = max(late, key=lambda each: each[1] / each[2])
        resumed = (
            "; a training saves a checkpoint and a retry continues from it" if request_of(stage) == "train" else ""
        )
        yield (
            f"{stage}: {_how_many(late, jobs)} may exceed the time limit; {worst.job.key} may take"
            f" {seconds / 60:,.0f} of {limit:,} minutes: raise resources.{request_of(stage)}.runtime{resumed}"
        )


def _large(stage: str, jobs: Sequence[Planned]) -> Iterator[str]:
    large = [(each, each.work.peak or 0, each.memory) for each in jobs if each.memory]
    large = [(each, peak, memory) for each, peak, memory in large if peak > SAFE * memory]
    if large:
        worst, peak, memory = max(large, key=lambda each: each[1] / each[2])
        place = "the memory of a GPU" if worst.job.gpu else "the memory that they ask for"
        changes = [LESS_MEMORY[stage]] if stage in LESS_MEMORY else []
        if worst.work.fewest_gpus:
            changes = [f"training.parallel (fsdp) and gpus ({worst.work.fewest_gpus}): a GPU does not hold the model"]
        changes += [] if worst.job.gpu else [f"resources.{request_of(stage)}.mem_mb (larger)"]
        yield (
            f"{stage}: {_how_many(large, jobs)} may exceed {place}; {worst.job.key} needs about"
            f" {peak / 1e9:.1f} of {memory / 1e9:.1f} GB: change {' or '.join(changes)}"
        )


def _how_many(some: Sequence[object], jobs: Sequence[Planned]) -> str:
    return "its only job" if len(jobs) == 1 else f"{len(some)} of {len(jobs)} jobs"


def request_of(stage: str) -> str:
    """The entry of `resources` by which a stage asks."""
    return REQUEST_OF.get(stage, stage if stage in Resources.model_fields else "summarise")
