"""What will not fit: time limits, cards, memory; each with the setting to change."""

from feyntune.settings.resources import Resources

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
    "score": "scoring.batch_tokens (smaller)",
    "embed_truth": "the scorer's batch_size (smaller)",
    "semscore": "the scorer's batch_size (smaller)",
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
