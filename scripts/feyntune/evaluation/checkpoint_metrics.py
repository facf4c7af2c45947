"""The metrics of all steps' completions, each metric loaded once."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from feyntune.evaluation.metric_jobs import MetricFault, make_metric, prepared, scored
from feyntune.evaluation.metrics import reported
from feyntune.evaluation.metrics.base import Abstracts, Completions
from feyntune.evaluation.step_results import NOT_FINITE

if TYPE_CHECKING:
    import numpy
    import pyarrow

    from feyntune.config.schema.checkpoints import CheckpointsStage
    from feyntune.evaluation.metrics.base import Metric, Values
    from feyntune.evaluation.samples import Sample

Numbers = Sequence[float | None]
Arrays = Mapping[str, "numpy.ndarray"]
LIKELIHOODS = ("perplexity", "bits_per_byte")


class Cell(NamedTuple):
    """A quantity on a set after a step."""

    step: int
    set: str
    quantity: str


class Completed(NamedTuple):
    """One step's completions of one sample."""

    step: int
    sample: Sample
    predictions: list[str]


def judged(
    stage: CheckpointsStage,
    models: Mapping[str, Path],
    training: Path | None,
    samples: Sequence[Sample],
    evaluated: pyarrow.Table,
) -> tuple[dict[Cell, Numbers], dict[Cell, str]]:
    """Values of all quantities after all steps, and why some have none.

    Args:
        stage: settings of the job.
        models: folders of the metrics' models by the metrics' names.
        training: parquet file of the training split, for metrics that need it.
        samples: the samples.
        evaluated: from ``step_results.evaluate_step``, of all steps.

    Returns:
        A value for each abstract of the sample by step, set and quantity (its key in tables), None where a text has
        none; and reasons by the same keys.
    """
    values, reasons, completed = _of_models(stage, samples, evaluated)
    for name, entry in stage.metrics.items():
        metric = make_metric(entry, models.get(name), training)
        keys = {column.name: column.key for column in reported(name, entry).columns}
        for each, found in zip(completed, judge(metric, completed), strict=True):
            for column, key in keys.items():
                cell = Cell(each.step, each.sample.name, key)
                if isinstance(found, str):
                    reasons[cell] = found
                else:
                    values[cell] = [_number(value) for value in found[column]]
    return values, reasons


def all_quantities(stage: CheckpointsStage) -> list[str]:
    """The keys in tables of all quantities, in the order in which they are shown."""
    entries = [reported(name, entry) for name, entry in stage.metrics.items()]
    return [*LIKELIHOODS, *(column.key for entry in entries for column in entry.columns)]


def _of_models(
    stage: CheckpointsStage, samples: Sequence[Sample], evaluated: pyarrow.Table
) -> tuple[dict[Cell, Numbers], dict[Cell, str], list[Completed]]:
    """What needs no metric: perplexities and bits per byte, why there are none, and the completions."""
    values: dict[Cell, Numbers] = {}
    reasons: dict[Cell, str] = {}
    completed: list[Completed] = []
    by_name = {sample.name: sample for sample in samples}
    for (step, name), rows in _grouped(evaluated).items():
        for quantity in LIKELIHOODS:
            numbers = [row[quantity] for row in rows]
            if all(map(math.isfinite, numbers)):
                values[Cell(step, name, quantity)] = numbers
            else:
                reasons[Cell(step, name, quantity)] = NOT_FINITE
        if rows[0]["fault"]:
            of_metrics = all_quantities(stage)[len(LIKELIHOODS) :]
            reasons |= {Cell(step, name, quantity): rows[0]["fault"] for quantity in of_metrics}
        elif by_name[name].halves:
            completed.append(Completed(step, by_name[name], [row["prediction"] for row in rows]))
    return values, reasons, completed


def _grouped(evaluated: pyarrow.Table) -> dict[tuple[int, str], list[dict[str, Any]]]:
    """Rows by step and set, in their order."""
    groups: dict[tuple[int, str], list[dict[str, Any]]] = {}
    for row in evaluated.to_pylist():
        groups.setdefault((row["step"], row["set"]), []).append(row)
    return groups


def judge(metric: Metric, completed: Sequence[Completed]) -> list[Values | str]:
    """A metric's values for each step's completions of each sample, or the reason why there are none.

    All are judged in one call, because some metrics prepare for as long as they judge. If that fails, each is judged
    alone, which shows where the fault is.
    """
    if not completed:
        return []
    try:
        references = _references(metric, completed)
    except MetricFault as fault:
        return [str(fault)] * len(completed)
    try:
        values = scored(metric, _joined(completed), _stacked([references[each.sample.name] for each in completed]))
    except MetricFault:
        return [_judged_alone(metric, each, references[each.sample.name]) for each in completed]
    ends = list(itertools.accumulate(len(each.predictions) for each in completed))
    return [
        {name: column[start:end] for name, column in values.items()}
        for start, end in zip([0, *ends], ends, strict=False)
    ]


def _judged_alone(metric: Metric, completed: Completed, reference: Arrays) -> Values | str:
    try:
        return scored(metric, _joined([completed]), reference)
    except MetricFault as fault:
        return str(fault)


def _references(metric: Metric, completed: Sequence[Completed]) -> dict[str, Arrays]:
    """What a metric prepares for each sample, once; nothing for metrics that do not prepare."""
    samples = {each.sample.name: each.sample for each in completed}
    return {name: prepared(metric, _abstracts(sample)) if metric.prepares else {} for name, sample in samples.items()}


def _abstracts(sample: Sample) -> Abstracts:
    halves = sample.halves or []
    prompts, rests = [prompt for prompt, _ in halves], [rest for _, rest in halves]
    return Abstracts(sample.ids, [prompt + rest for prompt, rest in halves], prompts, rests)


def _joined(completed: Sequence[Completed]) -> Completions:
    """Completions of several steps and samples as those of one run; ids are unique."""
    rows = [
        (f"{each.step}/{each.sample.name}/{name}", prompt, rest, prediction, prompt + prediction)
        for each in completed
        for name, (prompt, rest), prediction in zip(
            each.sample.ids, each.sample.halves or [], each.predictions, strict=True
        )
    ]
    return Completions(*map(list, zip(*rows, strict=True)))


def _stacked(references: Sequence[Arrays]) -> Arrays:
    import numpy

    return {name: numpy.concatenate([each[name] for each in references]) for name in references[0]}


def _number(value: object) -> float | None:
    """A value as a float; None where there is none."""
    number = math.nan if value is None else float(value)  # type: ignore[arg-type]  # a number of Python or of numpy
    return number if math.isfinite(number) else None
