"""Runs that differ in their seed only, as one: means over seeds, their spread, and comparisons between such groups."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from feyntune.config.schema.report import Group
from feyntune.report.made_files import read_exact_table
from feyntune.report.results import Quantity, Results
from feyntune.report.significance import holm
from feyntune.report.summaries import comparable, run_pairs
from feyntune.report.variance_components import components, error_of_difference, half_width, p_value_of

if TYPE_CHECKING:
    import numpy
    import pandas

BOTH, ABSTRACTS = "abstracts and seeds", "abstracts"
"""The sources of variance that an interval holds."""
COLUMNS = (
    *("set", "group", "quantity", "seeds", "declared_seeds", "abstracts", "mean", "low", "high", "sources", "spread"),
    *("abstracts_sd", "seeds_sd", "rest_sd", "runs"),
)
"""Columns of the table of seeds."""
COMPARISON_COLUMNS = (
    *("set", "group", "against", "quantity", "seeds", "against_seeds", "abstracts", "difference", "low", "high"),
    *("sources", "p", "p_holm", "comparisons", "decidable", "spread", "within_spread"),
)
"""Columns of the table of comparisons between groups."""


def grouped(results: Results, groups: Sequence[Group]) -> Results:
    """The same results with groups in place of runs in the labels and the marks; values stay those of runs."""
    of_runs = {run: group.name for group in groups for run in group.runs}
    runs = results.runs.assign(run=results.runs["run"].map(of_runs)).drop_duplicates(["set", "run"], ignore_index=True)
    return replace(results, runs=runs, marks={of_runs[run]: signs for run, signs in results.marks.items()})


def read_group_table(folder: Path, name: str) -> pandas.DataFrame:
    """A table of groups from its CSV file, with groups in the column of runs. Raises FeynTuneError if it is damaged."""
    return read_exact_table(folder, name).rename(columns={"group": "run"})


def settings_by_run(groups: Sequence[Group]) -> dict[str, Any]:
    """What two runs must have in common to be compared one by one: varied settings, and one of several seeds."""
    seeds = {
        run: seed for each in groups if len(each.runs) > 1 for run, seed in zip(each.runs, each.seeds, strict=True)
    }
    return {run: (group.varied, seeds.get(run)) for group in groups for run in group.runs}


def seed_values(values: pandas.DataFrame, group: Group) -> pandas.DataFrame:
    """The values of one quantity under the runs of a group that have any, of the abstracts that all of these have.

    Args:
        values: a row for each abstract and a column for each run.
        group: the group.

    Returns:
        DataFrame with a row for each abstract and a column for each run.
    """
    present = [run for run in group.runs if run in values and values[run].notna().any()]
    return values[present].dropna()


def seeds_table(
    results: Results, groups: Sequence[Group], distributions: pandas.DataFrame, confidence: float
) -> pandas.DataFrame:
    """A row for each set, group and quantity, with the columns ``COLUMNS``.

    ``mean`` is over abstracts and seeds, ``spread`` the standard deviation (n - 1) of the means of the seeds, and the
    next three are the standard deviations of the effects; ``runs`` are names of the runs that have values. A group of
    one seed has the bootstrap interval of its run.

    Args:
        results: what all runs achieved.
        groups: all runs by groups.
        distributions: the table ``distributions``.
        confidence: coverage of the intervals.
    """
    import pandas

    single = {(row["set"], row["run"], row["quantity"]): row for row in distributions.to_dict("records")}
    rows = []
    for name, of_set in results.values.items():
        for group in groups:
            for quantity in results.quantities:
                if quantity.name in of_set:
                    values = seed_values(of_set[quantity.name], group)
                    if len(values.columns):
                        of_first = single.get((name, values.columns[0], quantity.name), {})
                        row = _of_group(values, of_first, quantity, confidence)
                        labels = {"set": name, "group": group.name, "quantity": quantity.name}
                        rows.append({**labels, "declared_seeds": len(group.runs), **row, "runs": " ".join(values)})
    return pandas.DataFrame(rows, columns=list(COLUMNS))


def _of_group(
    values: pandas.DataFrame, single: Mapping[str, Any], quantity: Quantity, confidence: float
) -> dict[str, Any]:
    """The numbers of a group; ``single``: the row of its only run. The interval ends where the values must end."""
    numbers = values.to_numpy(dtype=float)
    abstracts, seeds = numbers.shape
    if seeds < 2:
        bounds = {name: single.get(name, math.nan) for name in ("mean", "low", "high")}
        return {"seeds": seeds, "abstracts": abstracts, **bounds, "sources": ABSTRACTS}
    row = {"seeds": seeds, "abstracts": abstracts, "sources": BOTH, "mean": numbers.mean() if abstracts else math.nan}
    if abstracts < 2:
        return row
    half, effects = half_width(error_of_difference(numbers), confidence), components(numbers)
    row |= {"low": max(row["mean"] - half, quantity.lowest), "high": min(row["mean"] + half, quantity.highest)}
    row["spread"] = numbers.mean(axis=0).std(ddof=1)
    return {**row, "abstracts_sd": effects.abstracts, "seeds_sd": effects.seeds, "rest_sd": effects.rest}


def seed_comparisons(
    results: Results,
    groups: Sequence[Group],
    compared_layers: Sequence[tuple[str, str]],
    comparisons: pandas.DataFrame,
    confidence: float,
) -> pandas.DataFrame:
    """A row for each pair of groups and each quantity of which lower or higher is better.

    Pairs are those of ``summaries.comparisons``: a group with the base run of its model, and two layer sets with the
    same varied settings. Two groups of one seed have the row of their runs.

    Returns:
        DataFrame with the columns ``COMPARISON_COLUMNS``: ``spread`` is the standard deviation that a difference of two
        runs, one from each group, has because of their seeds, and ``within_spread`` whether the difference of the means
        is smaller.
    """
    import pandas

    single = {(row["set"], row["run"], row["against"], row["quantity"]): row for row in comparisons.to_dict("records")}
    by_name, labels = {group.name: group for group in groups}, grouped(results, groups).runs
    varied = {group.name: group.varied for group in groups}
    parts = []
    for name, runs in labels.groupby("set", sort=False):
        pairs = run_pairs(runs, compared_layers, varied)
        for quantity in results.quantities:
            if quantity.direction and quantity.name in results.values[str(name)]:
                rows = []
                for pair in _comparable_groups(results, str(name), quantity, pairs, by_name):
                    one, other = (by_name[each] for each in pair)
                    row = _compared(results.values[str(name)][quantity.name], one, other, confidence)
                    key = (name, one.runs[0], other.runs[0], quantity.name)
                    row = _as_runs(single.get(key)) if row is None else row
                    if row:
                        labelled = {"set": name, "group": one.name, "against": other.name, "quantity": quantity.name}
                        rows.append({**labelled, **row})
                parts += _corrected(rows)
    return pandas.DataFrame(parts, columns=list(COMPARISON_COLUMNS))


def _comparable_groups(
    results: Results, name: str, quantity: Quantity, pairs: Sequence[tuple[str, str]], by_name: Mapping[str, Group]
) -> list[tuple[str, str]]:
    """The pairs of groups whose first runs a quantity can compare."""
    kept = {pair: (by_name[pair[0]].runs[0], by_name[pair[1]].runs[0]) for pair in pairs}
    possible = set(comparable(results, name, quantity, list(kept.values())))
    return [pair for pair, of_runs in kept.items() if of_runs in possible]


def _compared(values: pandas.DataFrame, one: Group, other: Group, confidence: float) -> dict[str, Any] | None:
    """The numbers of a comparison; None if both groups have one seed, nothing if one of them has no values."""
    first, second = seed_values(values, one), seed_values(values, other)
    if len(first.columns) < 2 and len(second.columns) < 2:
        return None if len(first.columns) and len(second.columns) else {}
    common = first.index.intersection(second.index)
    if not len(first.columns) or not len(second.columns) or len(common) < 2:
        return {}
    left, right = (each.loc[common].to_numpy(dtype=float) for each in (first, second))
    error, difference = error_of_difference(left, right), float(left.mean() - right.mean())
    half, spread = half_width(error, confidence), math.hypot(_spread(left), _spread(right))
    return {
        "seeds": len(first.columns),
        "against_seeds": len(second.columns),
        "abstracts": len(common),
        "difference": difference,
        "low": difference - half,
        "high": difference + half,
        "sources": BOTH,
        "p": p_value_of(difference, error),
        "decidable": True,
        "spread": spread,
        "within_spread": abs(difference) < spread,
    }


def _spread(values: numpy.ndarray) -> float:
    """Standard deviation of the means of the seeds; zero for one, which is taken as it is."""
    return float(values.mean(axis=0).std(ddof=1)) if values.shape[1] > 1 else 0.0


def _as_runs(row: Mapping[str, Any] | None) -> dict[str, Any]:
    """The row of a comparison of two runs as that of two groups of one seed."""
    if row is None:
        return {}
    kept = ("abstracts", "difference", "low", "high", "p", "decidable")
    return {**{name: row[name] for name in kept}, "seeds": 1, "against_seeds": 1, "sources": ABSTRACTS}


def _corrected(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The comparisons of a quantity on a set with p-values corrected for their number."""
    if not rows:
        return []
    corrected = holm([row["p"] for row in rows])
    return [{**row, "p_holm": p, "comparisons": len(rows)} for row, p in zip(rows, corrected, strict=True)]
