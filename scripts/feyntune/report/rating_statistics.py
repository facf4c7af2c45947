"""The tables of people's ratings."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from feyntune.config.schema.report import Uncertainty
from feyntune.core.columns import check_numbers, is_number
from feyntune.core.errors import FeynTuneError, shorten
from feyntune.core.files import read_table, write_text
from feyntune.report.pool import LABELS
from feyntune.report.statistics import mean_intervals
from feyntune.report.typeset import interval, number, write_formats

if TYPE_CHECKING:
    import pandas


def mean_ratings(ratings: pandas.DataFrame, by: str, uncertainty: Uncertainty, seed: int) -> pandas.DataFrame:
    """Mean rating of each model or category, highest first, with intervals.

    Ratings of one paper are correlated (a hard one is hard for all), so papers are resampled, not ratings: the mean is
    that of the papers' means.

    Args:
        ratings: table with the columns ``ratings.COLUMNS``.
        by: ``model`` or ``category``.

    Returns:
        DataFrame with the columns ``by``, ``ratings`` (their number), ``n`` (of papers), ``mean`` and its bounds.
    """
    papers = ratings.pivot_table(index="paper", columns=by, values="score", aggfunc="mean")
    table = mean_intervals(papers, uncertainty, seed)
    table.insert(0, "ratings", ratings.groupby(by)["score"].size())
    return table.sort_values("mean", ascending=False, kind="stable").rename_axis(by).reset_index()


def krippendorff_alpha(items: Sequence[Sequence[float]]) -> float:
    """Krippendorff's alpha for interval data: 1 for perfect agreement, 0 for agreement by chance.

    One minus the ratio of the mean squared difference within items to that among all ratings, each item
    weighted by its number of ratings (Krippendorff, *Computing Krippendorff's Alpha-Reliability*, 2011).

    Args:
        items: for each item its ratings; items with a single one have no pair and do not count.

    Returns:
        alpha; NaN where no item has two ratings, or all ratings are the same.
    """
    pairable = [ratings for ratings in items if len(ratings) > 1]
    everything = [rating for ratings in pairable for rating in ratings]
    expected = _squared_differences(everything) / (len(everything) - 1) if pairable else 0
    observed = sum(_squared_differences(ratings) / (len(ratings) - 1) for ratings in pairable)
    return 1 - observed / expected if expected else math.nan


def _squared_differences(values: Sequence[float]) -> float:
    """Sum of (a - b)^2 over all ordered pairs."""
    mean = math.fsum(values) / len(values)
    return 2 * len(values) * math.fsum((value - mean) ** 2 for value in values)


def agreement_by_category(ratings: pandas.DataFrame) -> pandas.DataFrame:
    """Krippendorff's alpha over all items, and within each category: raters may agree on models but not on texts.

    Returns:
        DataFrame with the columns ``category`` (``all`` first), ``items`` and ``alpha``.
    """
    import pandas

    groups = [("all", ratings), *ratings.groupby("category", sort=False)]
    rows = []
    for name, group in groups:
        items = [list(scores) for _, scores in group.groupby(["paper", "model"])["score"]]
        rows.append({"category": name, "items": len(items), "alpha": krippendorff_alpha(items)})
    return pandas.DataFrame(rows)


def metric_values(paths: Mapping[str, Path], evaluation_set: str | None) -> pandas.DataFrame:
    """Values of metrics by paper and model.

    Args:
        paths: pooled parquet files by metric.
        evaluation_set: the set whose completions were rated.

    Returns:
        DataFrame indexed by ``paper`` and ``model``, with a column for each column of each metric; an embedding
        metric's are its name and ``{name}_continuation``.

    Raises:
        FeynTuneError: a file cannot be read, or does not have the set.
    """
    import pandas

    tables = []
    for metric, path in paths.items():
        read_table(path, [*LABELS, "id"])  # names a column that is missing
        rows = read_table(path, filters=[("set", "==", evaluation_set)], texts=[*LABELS, "id"])
        table = rows.to_pandas()
        if table.empty:
            raise FeynTuneError(f"{path}: no evaluation set {shorten(evaluation_set)} in it; check --set")
        columns = [
            each.name for each in rows.schema if each.name not in (*LABELS, "truncated") and is_number(each.type)
        ]
        check_numbers(rows, columns, path)
        if not columns:
            raise FeynTuneError(f"{path}: no column of numbers in it; name the pooled values of a metric")
        labels = {"id": "paper", "run": "model"}
        values = table[[*labels, *columns]].rename(columns={**labels, **{name: _key(metric, name) for name in columns}})
        tables.append(values.set_index(["paper", "model"]))
    return pandas.concat(tables, axis=1)


def _key(metric: str, column: str) -> str:
    """The name of a metric's column among those of other metrics."""
    return metric + column.removeprefix("score") if column.startswith("score") else f"{metric}_{column}"


def correlations(ratings: pandas.DataFrame, metrics: pandas.DataFrame) -> pandas.DataFrame:
    """Spearman's rank correlation of mean ratings with metrics: over items, and over models' means.

    Args:
        ratings: table with the columns ``ratings.COLUMNS``.
        metrics: from ``metric_values``.

    Returns:
        DataFrame with the columns ``quantity``, ``items``, ``rho_items``, ``models`` and ``rho_models``.

    Raises:
        FeynTuneError: no rated completion has a value.
    """
    import pandas

    rated = ratings.groupby(["paper", "model"])["score"].mean().rename("rating")
    joined = metrics.join(rated, how="inner")
    if joined.empty:
        raise FeynTuneError("--metrics: they have no value for any rated completion; check --set and the key")
    means = joined.groupby("model").mean()
    rows = [
        {
            "quantity": name,
            "items": int(joined[name].notna().sum()),
            "rho_items": _spearman(joined, name),
            "models": len(means),
            "rho_models": _spearman(means, name),
        }
        for name in metrics
    ]
    return pandas.DataFrame(rows)


def _spearman(table: pandas.DataFrame, name: str) -> float:
    both = table[["rating", name]].dropna()
    return both["rating"].corr(both[name], method="spearman") if len(both) > 2 else math.nan


def rating_tables(
    ratings: pandas.DataFrame,
    metrics: Mapping[str, Path],
    evaluation_set: str | None,
    uncertainty: Uncertainty,
    seed: int,
) -> dict[str, tuple[pandas.DataFrame, pandas.DataFrame, str]]:
    """Tables by name, each as (exact, as people read it, caption).

    Args:
        ratings: table with the columns ``ratings.COLUMNS``.
        metrics: pooled tables by metric; none means no table of correlations.
        evaluation_set: the set whose completions were rated.
    """
    percent = f"{100 * uncertainty.confidence:g}%"
    caption = f"Mean ratings with {percent} percentile bootstrap intervals over papers."
    tables = {}
    for by in ("category", "model"):
        means = mean_ratings(ratings, by, uncertainty, seed)
        tables[f"by_{by}"] = (means, _means_layout(means, by), caption)
    agreement = agreement_by_category(ratings)
    shown = agreement.rename(columns=str.capitalize).assign(Alpha=agreement["alpha"].map(_two))
    tables["agreement"] = (agreement, shown, "Krippendorff's alpha between raters, for interval data.")
    if metrics:
        table = correlations(ratings, metric_values(metrics, evaluation_set))
        tables["correlations"] = (table, _correlations_layout(table), "Spearman's correlation of ratings with metrics.")
    return tables


def _two(value: float) -> str:
    return number(value, 2)


def _means_layout(table: pandas.DataFrame, by: str) -> pandas.DataFrame:
    import pandas

    means = [interval(row.mean, row.low, row.high, 2) for row in table.itertuples()]
    columns = {by.capitalize(): table[by], "Papers": table["n"], "Ratings": table["ratings"], "Mean": means}
    return pandas.DataFrame(columns)


def _correlations_layout(table: pandas.DataFrame) -> pandas.DataFrame:
    rounded = table.assign(rho_items=table["rho_items"].map(_two), rho_models=table["rho_models"].map(_two))
    titles = {"quantity": "Quantity", "items": "Items", "rho_items": "Over items", "models": "Models"}
    return rounded.rename(columns={**titles, "rho_models": "Over models"})


def check_output(folder: Path, inputs: Sequence[Path]) -> None:
    """Raise FeynTuneError if a table would be written over a file with ratings, or over their key."""
    names = ["ratings.csv", *(f"{name}.csv" for name in ("by_category", "by_model", "agreement", "correlations"))]
    written = {os.path.realpath(folder / name) for name in names}
    lost = next((path for path in inputs if os.path.realpath(path) in written), None)
    if lost:
        raise FeynTuneError(f"--output-folder {folder}: {lost.name} there would be overwritten; name another folder")


def write_rating_tables(
    ratings: pandas.DataFrame, tables: Mapping[str, tuple[pandas.DataFrame, pandas.DataFrame, str]], folder: Path
) -> None:
    """Write ``ratings.csv`` (the paper's columns) and every table in every format into ``folder``."""
    write_text(folder / "ratings.csv", ratings.to_csv(index=False))
    for name, (exact, shown, caption) in tables.items():
        write_formats(folder / name, exact, shown, caption)
