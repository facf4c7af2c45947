"""What will not fit: time limits, cards, memory; each with the setting to change."""

from feyntune.config.schema.resources import Resources
from feyntune.planning.jobs import grouped

MOST_ROWS = 60
MISSING = "-"
UNITS = (("d", 86400), ("h", 3600), ("min", 60))


def tell(plan, lines):
    """The plan as lines of text.

    Args:
        plan: ``making.Plan``.
        lines: warnings, one a line.
    """
    if not plan.jobs:
        return [f"All {plan.total:,} jobs are up to date: nothing would run."]
    told = [*_columns(_stage_rows(plan)), ""]
    runs = _run_rows(plan)
    if len(runs) > 1:
        told += [*_columns(runs[: MOST_ROWS + 1]), ""]
        if len(runs) > MOST_ROWS + 1:
            told += [f"... and {len(runs) - MOST_ROWS - 1:,} more runs", ""]
    told += _total(plan)
    told += [f"assumed: {line}" for line in plan.assumed]
    return told + [f"warning: {line}" for line in lines]


def _total(plan):
    jobs = plan.jobs.values()
    at_once = ", ".join(f"{number:,} {name}{'s' * (number != 1)}" for name, number in _limits(plan))
    cores = max(each.job.threads for each in jobs)
    hours, asked = (sum(getattr(each, name) for each in jobs) / 3600 for name in ("gpu_seconds", "asked_gpu_seconds"))
    disk = sum(each.work.disk for each in jobs)
    about = "more than" if any(each.seconds is None for each in jobs) else "about"
    cards = f" {hours:,.1f} GPU-hours ({asked:,.0f} asked for by time limits);" if asked else ""
    return [
        f"{len(plan.jobs):,} of {plan.total:,} jobs; {about} {duration(plan.wall)} of wall time ({at_once} at a time);"
        f"{cards} {gigabytes(disk) + ' of' if disk >= 1e6 else 'hardly any'} disk;"
        f" {sum(each.job.threads for each in jobs):,} cores asked for, {cores} by the largest job",
    ]


def _limits(plan):
    """What bounds how many jobs run side by side, as pairs of a name and a number."""
    named = {"jobs": "job", "cores": "core"} | ({"gpu": "GPU"} if any(e.job.gpu for e in plan.jobs.values()) else {})
    return [(told, plan.offered[name]) for name, told in named.items() if plan.offered[name] is not None]


def _groups(plan, name_of):
    groups = {}
    for each in plan.jobs.values():
        if name_of(each.job):
            groups.setdefault(name_of(each.job), []).append(each)
    return groups


def _stage_rows(plan):
    """A row for each stage: what its jobs take together, the longest and the largest of them, and why they run."""
    header = ["stage", "jobs", "tokens", "together", "longest", "limit", "GPU-hours", "peak memory", "disk", "why"]
    rows = [header]
    for stage, jobs in _groups(plan, lambda job: job.stage).items():
        rows.append([stage, f"{len(jobs):,}", *_numbers(jobs), grouped([each.job for each in jobs])])
    everything = list(plan.jobs.values())
    return [*rows, ["total", f"{len(everything):,}", *_numbers(everything), ""]]


def _run_rows(plan):
    header = ["run", "jobs", "tokens", "together", "longest", "limit", "GPU-hours", "peak memory", "disk", "stages"]
    rows = [header]
    groups = _groups(plan, lambda job: job.run)
    for run in filter(groups.get, plan.runs):
        jobs = groups[run]
        stages = dict.fromkeys(each.job.stage for each in jobs)
        rows.append([run, f"{len(jobs):,}", *_numbers(jobs), ", ".join(stages)])
    return rows


def _numbers(jobs):
    """Tokens, wall time together, the longest job with its limit, GPU-hours, peak memory and disk of jobs."""
    known = [each for each in jobs if each.seconds is not None]
    longest = max(known, key=lambda each: each.seconds, default=None)
    peak = max((each.work.peak or 0 for each in jobs), default=0)
    gpu = sum(each.gpu_seconds for each in jobs) / 3600
    return [
        count(sum(each.work.tokens or 0 for each in jobs)),
        duration(sum(each.seconds for each in known)) if known else "unknown",
        duration(longest.seconds) if longest else "unknown",
        duration(60 * longest.job.runtime) if longest and longest.job.runtime else MISSING,
        f"{gpu:,.1f}" if gpu else MISSING,
        gigabytes(peak),
        gigabytes(sum(each.work.disk for each in jobs)),
    ]


def _columns(rows):
    """Rows of text in columns: first and last to the left, numbers to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    last = len(widths) - 1
    return [
        "  ".join(
            cell.ljust(width) if place in (0, last) else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def duration(seconds):
    """``3.4 h``, in the largest unit of which there is at least one."""
    unit, length = next(((unit, length) for unit, length in UNITS if seconds >= length), ("s", 1))
    return f"{seconds / length:.1f} {unit}" if length > 1 else f"{seconds:.0f} s"


def count(number):
    """``1.9 G``, ``310 M``, ``42 k``; a dash for none."""
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if number >= size:
            return f"{number / size:.3g} {unit}"
    return f"{number:.0f}" if number else MISSING


def gigabytes(size):
    """Bytes as ``12 GB``; in MB below a tenth of that, a dash for none."""
    if size < 1e6:
        return MISSING
    return f"{size / 1e9:.1f} GB" if size >= 1e8 else f"{size / 1e6:.0f} MB"


SAFE = 0.9
"""Share of a limit that a prediction may fill before it is warned of."""
REQUEST_OF = {
    "control_papers": "dataset",
    "build_dataset": "dataset",
    "mix_dataset": "dataset",
    "import_dataset": "dataset",
    "embed_truth": "semscore",
}
"""The entry of `resources` that a stage asks by, where it has another name than its own or `summarise`."""
LESS_MEMORY = {
    "train": "training.per_device_batch_size (smaller) or training.gradient_checkpointing (true)",
    "complete": "generation.batch_size (smaller)",
    "perplexity": "perplexity.batch_tokens (smaller)",
    "embed_truth": "the metric's batch_size (smaller)",
    "semscore": "the metric's batch_size (smaller)",
    "similarity": "the evaluation set's limit",
}


def warnings(plan):
    """A line for each stage that will not fit, with its worst job and the setting to change.

    Args:
        plan: ``making.Plan``.
    """
    stages = {}
    for each in plan.jobs.values():
        stages.setdefault(each.job.stage, []).append(each)
    return [line for stage, jobs in stages.items() for line in (*_late(stage, jobs), *_large(stage, jobs))]


def _late(stage, jobs):
    late = [each for each in jobs if each.job.runtime and (each.seconds or 0) > SAFE * 60 * each.job.runtime]
    if late:
        worst = max(late, key=lambda each: each.seconds / each.job.runtime)
        goes_on = "; a training saves itself and goes on in a retry" if stage == "train" else ""
        yield (
            f"{stage}: {_how_many(late, jobs)} will hardly end within the time limit; {worst.job.key} may take"
            f" {worst.seconds / 60:,.0f} of {worst.job.runtime:,} minutes: raise resources.{request_of(stage)}.runtime"
            f"{goes_on}"
        )


def _large(stage, jobs):
    large = [each for each in jobs if each.memory and (each.work.peak or 0) > SAFE * each.memory]
    if large:
        worst = max(large, key=lambda each: each.work.peak / each.memory)
        place = "a card" if worst.job.gpu else "the memory that it asks for"
        changes = [LESS_MEMORY[stage]] if stage in LESS_MEMORY else []
        changes += [] if worst.job.gpu else [f"resources.{request_of(stage)}.mem_mb (more)"]
        yield (
            f"{stage}: {_how_many(large, jobs)} may not fit {place}; {worst.job.key} needs about"
            f" {worst.work.peak / 1e9:.1f} of {worst.memory / 1e9:.1f} GB: change {' or '.join(changes)}"
        )


def _how_many(some, jobs):
    return "its only job" if len(jobs) == 1 else f"{len(some)} of {len(jobs)} jobs"


def request_of(stage):
    """The entry of `resources` by which a stage asks."""
    return REQUEST_OF.get(stage, stage if stage in Resources.model_fields else "summarise")
