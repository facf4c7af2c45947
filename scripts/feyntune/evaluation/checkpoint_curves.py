"""Learning curves: means over the samples after each evaluation step, and the best step."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from feyntune.evaluation.checkpoint_metrics import Cell, Numbers, all_quantities

if TYPE_CHECKING:
    import pyarrow

    from feyntune.config.schema.checkpoints import CheckpointsStage

DECIDES = "perplexity"
"""The quantity on the validation split that decides which step is the best."""


def curve_table(
    stage: CheckpointsStage, record: Mapping[str, Any], values: Mapping[Cell, Numbers], reasons: Mapping[Cell, str]
) -> pyarrow.Table:
    """A row for each step, set and quantity.

    Columns: ``step`` (0: the base model), ``epoch`` (passes over the training split so far), ``set``, ``metric`` (the
    quantity's key in tables), ``abstracts`` (with a value), ``mean`` over these, its ``standard_error`` (null for fewer
    than two), ``reason`` (why there is no mean; null if there is one), ``best`` (whether the step has the lowest mean
    perplexity on the validation split, the base model aside), and ``published`` (whether its adapter is the run's).

    Args:
        stage: settings of the job.
        record: content of the training's ``run.json``.
        values: from ``checkpoint_metrics.judged``.
        reasons: from the same.
    """
    import pyarrow

    best = best_step(values, stage.validation)
    published = record.get("kept_step", record["steps"])
    batch, abstracts = record["settings"]["training"]["batch_size"], record["train_abstracts"]
    sets, quantities = list(stage.sets), all_quantities(stage)
    order = {cell: (cell.step, sets.index(cell.set), quantities.index(cell.quantity)) for cell in [*values, *reasons]}
    rows = [
        {
            "step": cell.step,
            "epoch": cell.step * batch / abstracts,
            "set": cell.set,
            "metric": cell.quantity,
            **_moments(values.get(cell, [])),
            "reason": reasons.get(cell),
            "best": cell.step == best,
            "published": cell.step == published,
        }
        for cell in sorted(order, key=lambda cell: order[cell])
    ]
    text, number, whole = pyarrow.string(), pyarrow.float64(), pyarrow.int64()
    types = {"step": whole, "epoch": number, "set": text, "metric": text, "abstracts": whole, "mean": number}
    types |= {"standard_error": number, "reason": text, "best": pyarrow.bool_(), "published": pyarrow.bool_()}
    return pyarrow.Table.from_pylist(rows, pyarrow.schema(types))


def best_step(values: Mapping[Cell, Numbers], validation: str) -> int | None:
    """The step with the lowest mean perplexity on the validation split, the first of equal ones.

    Step 0, which has no adapter, does not count. None if no step has one.
    """
    means = {
        cell.step: _moments(numbers)["mean"]
        for cell, numbers in values.items()
        if cell.step and (cell.set, cell.quantity) == (validation, DECIDES)
    }
    return min(means, key=lambda step: (means[step], step), default=None)


def _moments(numbers: Numbers) -> dict[str, Any]:
    """How many values there are, their mean, and the standard error of the mean."""
    known = [number for number in numbers if number is not None]
    error = statistics.stdev(known) / len(known) ** 0.5 if len(known) > 1 else None
    return {"abstracts": len(known), "mean": statistics.fmean(known) if known else None, "standard_error": error}
