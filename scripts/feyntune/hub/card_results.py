"""Results of a run for cards: tables, and the metadata that the hub shows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from feyntune.report.results import all_quantities
from feyntune.report.tables import comparisons_layout, summary_layout

if TYPE_CHECKING:
    import pandas
    from huggingface_hub import EvalResult

    from feyntune.config.schema.hub import EvaluatedCardStage

Table = dict[str, list[Any]]
"""A table of a card: names of ``columns``, and ``rows`` of cells."""


def evaluation_metadata(stage: EvaluatedCardStage, summary: pandas.DataFrame) -> list[EvalResult]:
    """The run's mean of each quantity on each evaluation set, where larger or smaller values are better."""
    from huggingface_hub import EvalResult

    rows = summary[summary["run"] == stage.run].set_index("set")
    quantities = [each for each in all_quantities(stage.metrics) if each.direction and each.name in summary]
    return [
        EvalResult(
            task_type="text-generation",
            task_name="Completion of abstracts",
            dataset_type=evaluated.repository,
            dataset_name=name,
            dataset_split=evaluated.split,
            metric_type=quantity.name,
            metric_name=quantity.title,
            metric_value=round(float(rows.loc[name, quantity.name]), 4),
        )
        for name, evaluated in stage.sets.items()
        for quantity in quantities
        if name in rows.index and rows.loc[name, quantity.name] == rows.loc[name, quantity.name]  # not NaN
    ]


def results_tables(stage: EvaluatedCardStage, summary: pandas.DataFrame) -> dict[str, Table]:
    """For each evaluation set a table with a column for the run and its base model, and a row per quantity."""
    bases = (summary["layers"] == "base") & (summary["model"] == stage.model)
    rows = summary[(summary["run"] == stage.run) | bases]
    quantities = [quantity for quantity in all_quantities(stage.metrics) if quantity.name in summary]
    return {name: _transposed(summary_layout(part, quantities)) for name, part in rows.groupby("set", sort=False)}


def _transposed(shown: pandas.DataFrame) -> Table:
    turned = shown.set_index("Run").T
    return {
        "columns": ["", *turned.columns],
        "rows": [[name, *row] for name, row in zip(turned.index, turned.values, strict=True)],
    }


def comparisons_table(stage: EvaluatedCardStage, comparisons: pandas.DataFrame) -> Table | None:
    """The paired differences between the run and others; None if there are none."""
    rows = comparisons[comparisons["run"] == stage.run]
    if rows.empty:
        return None
    shown = comparisons_layout(rows, all_quantities(stage.metrics)).drop(columns="Run")
    if "Set" not in shown:
        shown.insert(0, "Set", rows["set"].to_numpy())
    return {"columns": list(shown), "rows": shown.to_numpy().tolist()}
