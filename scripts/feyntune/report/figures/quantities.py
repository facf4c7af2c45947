"""Figures of the headline quantities: means with error bars, paired differences, distributions over abstracts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from feyntune.report.figures.rows import draw_interval, draw_ridges, look_of, panels, rice_bins
from feyntune.report.figures.style import appearances, empty_figure, layer_set, legend_of_layers
from feyntune.report.results import Quantity, Results
from feyntune.report.significance import LEVEL

if TYPE_CHECKING:
    import numpy
    import pandas
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


BELOW = 0.3
"""Rows by which the points of seeds are below the interval of their group."""


def _titles(quantities: Sequence[Quantity]) -> dict[str, str]:
    return {each.name: each.title.replace(" of ", "\nof ") for each in quantities}


def _titles_of(table: pandas.DataFrame, titles: Mapping[str, str], sets: Iterable[str]) -> dict[str, dict[str, str]]:
    """Titles of the quantities that each set has in a table: plain texts have none of completions."""
    present = set(zip(table["set"], table["quantity"], strict=True))
    return {name: {key: title for key, title in titles.items() if (name, key) in present} for name in sets}


def intervals_figure(results: Results, table: pandas.DataFrame, seeds: pandas.DataFrame | None = None) -> Figure:
    """The paper's figure: means with error bars, for each run.

    Args:
        results: what all runs achieved.
        table: ``distributions.csv``, or ``seeds.csv`` with groups as runs.
        seeds: means of the single runs of groups (``set, run, quantity, mean`` with the group as run), drawn as points.
    """
    looks, titles = appearances(results.runs["layers"]), _titles(results.headlines())
    rows_of = {str(name): list(runs["run"]) for name, runs in results.runs.groupby("set", sort=False)}
    figure, axes = panels(_titles_of(table, titles, rows_of), rows_of)
    for (name, quantity), points in table[table["quantity"].isin(titles)].groupby(["set", "quantity"]):
        for point in points.to_dict("records"):
            run = point["run"]
            draw_interval(axes[name, quantity], rows_of[name].index(run), point, look_of(results.runs, looks, run))
    for row in () if seeds is None else seeds[seeds["quantity"].isin(titles)].itertuples():
        axis, place = axes[row.set, row.quantity], rows_of[row.set].index(row.run) + BELOW
        colour, _ = look_of(results.runs, looks, row.run)
        axis.plot(row.mean, place, marker=".", color=colour, markersize=3, alpha=0.7, linestyle="none")
    legend_of_layers(figure, results.runs, looks)
    return figure


def differences_figure(results: Results, table: pandas.DataFrame) -> Figure:
    """Mean differences between runs on the same abstracts; hollow where Holm's corrected p is 0.05 or more.

    Args:
        results: what all runs achieved.
        table: ``comparisons.csv``, or ``seed_comparisons.csv`` with groups as runs.
    """
    looks = appearances(results.runs["layers"])
    titles = _titles([each for each in results.headlines() if each.direction])
    table = table[table["quantity"].isin(titles)]
    if table.empty:
        return empty_figure("No two runs to compare: there is neither a base run nor a pair of layer sets.")
    table = table.assign(pair=[_pair(results.runs, row.run, row.against) for row in table.itertuples()])
    bases = results.runs.loc[results.runs["layers"] == "base", "run"]
    table = table.sort_values("against", key=lambda against: ~against.isin(bases), kind="stable")
    rows_of = {str(name): list(dict.fromkeys(rows["pair"])) for name, rows in table.groupby("set", sort=False)}
    figure, axes = panels(_titles_of(table, titles, rows_of), rows_of)
    for point in table.rename(columns={"difference": "mean"}).to_dict("records"):
        axis, row = axes[point["set"], point["quantity"]], rows_of[point["set"]].index(point["pair"])
        draw_interval(axis, row, point, look_of(results.runs, looks, point["run"]), filled=point["p_holm"] < LEVEL)
    for (name, _), axis in axes.items():
        axis.axvline(0, color="black", linewidth=0.8)
        _separate(axis, results.runs, table[table["set"] == name].drop_duplicates("pair"))
    legend_of_layers(figure, results.runs[results.runs["run"].isin(table["run"])], looks)
    return figure


def _separate(axis: Axes, runs: pandas.DataFrame, pairs: pandas.DataFrame) -> None:
    """A line between the comparisons with a base run and those between layer sets."""
    bases = pairs["against"].isin(runs.loc[runs["layers"] == "base", "run"])
    if bases.any() and not bases.all():
        axis.axhline(bases.sum() - 0.5, color="#999999", linewidth=0.8, linestyle=":")


def _pair(runs: pandas.DataFrame, run: str, against: str) -> str:
    """``run − base`` or ``run − qkv``, where that is unique; else both names in full."""
    layers = runs.loc[runs["run"] == against, "layers"].iloc[0]
    bases = runs.loc[runs["layers"] == "base", "run"].nunique()
    return f"{run} − {against if layers == 'base' and bases > 1 else layers}"


def distributions_figure(results: Results) -> Figure:
    """Histograms of each headline quantity over the abstracts, for each run; perplexity on a logarithmic axis."""
    looks, titles = appearances(results.runs["layers"]), _titles(results.headlines())
    runs_of = {str(name): runs for name, runs in results.runs.groupby("set", sort=False)}
    titles_of = {
        name: {key: title for key, title in titles.items() if key in values and values[key].notna().any(axis=None)}
        for name, values in results.values.items()
    }
    figure, axes = panels(titles_of, {name: list(runs["run"]) for name, runs in runs_of.items()})
    for (name, quantity), axis in axes.items():
        runs, columns = runs_of[name], results.values[name].get(quantity)
        numbers = [
            columns[run].dropna().to_numpy() if columns is not None and run in columns else [] for run in runs["run"]
        ]
        if any(map(len, numbers)):
            edges = _edges(axis, quantity, numbers)
            draw_ridges(axis, numbers, [looks[layer_set(label)] for label in runs["layers"]], edges)
    legend_of_layers(figure, results.runs, looks)
    return figure


def _edges(axis: Axes, quantity: str, numbers: Sequence[numpy.ndarray]) -> numpy.ndarray:
    """Edges of bins over all runs' values: of equal width, or of equal ratio for perplexity."""
    import numpy
    from matplotlib.ticker import LogFormatter

    everything = numpy.concatenate(numbers)
    low, high = everything.min(), everything.max()
    bins = rice_bins(max(map(len, numbers)))
    if quantity != "perplexity" or low == high:
        return numpy.histogram_bin_edges(everything, bins=bins)
    axis.set_xscale("log")
    for place in (axis.xaxis.set_major_formatter, axis.xaxis.set_minor_formatter):
        place(LogFormatter(minor_thresholds=(1.5, 0.7), labelOnlyBase=False))
    return numpy.geomspace(low, high, bins + 1)
