"""Figures of what is measured on each abstract: means with error bars, paired differences, distributions."""

from feyntune.report.figures.rows import draw_interval, draw_ridges, look_of, panels, rice_bins
from feyntune.report.figures.style import appearances, empty_figure, layer_set, legend_of_layers
from feyntune.report.results import is_headline


def _titles(measures):
    return {m.name: m.title.replace(" of ", "\nof ") for m in filter(is_headline, measures)}


def intervals_figure(results, table):
    """The paper's figure: means with error bars, for each run.

    Args:
        results: ``measures.Results``.
        table: ``distributions.csv`` as a DataFrame.
    """
    looks, titles = appearances(results.runs["layers"]), _titles(results.measures)
    rows_of = {name: list(runs["run"]) for name, runs in results.runs.groupby("set", sort=False)}
    figure, axes = panels(list(rows_of), titles, rows_of)
    for (name, measure), points in table[table["measure"].isin(titles)].groupby(["set", "measure"]):
        for point in points.to_dict("records"):
            run = point["run"]
            draw_interval(axes[name, measure], rows_of[name].index(run), point, look_of(results.runs, looks, run))
    legend_of_layers(figure, results.runs, looks)
    return figure


def differences_figure(results, table):
    """Mean differences between runs on the same abstracts; hollow where Holm's corrected p is 0.05 or more.

    Args:
        results: ``measures.Results``.
        table: ``comparisons.csv`` as a DataFrame.
    """
    if table.empty:
        return empty_figure("No two runs to compare: there is neither a base run nor a pair of layer sets.")
    looks, titles = appearances(results.runs["layers"]), _titles(results.measures)
    table = table[table["measure"].isin(titles)]
    table = table.assign(pair=[_pair(results.runs, row) for row in table.itertuples()])
    rows_of = {name: list(dict.fromkeys(rows["pair"])) for name, rows in table.groupby("set", sort=False)}
    figure, axes = panels(list(rows_of), titles, rows_of)
    for point in table.rename(columns={"difference": "mean"}).to_dict("records"):
        axis, row = axes[point["set"], point["measure"]], rows_of[point["set"]].index(point["pair"])
        draw_interval(axis, row, point, look_of(results.runs, looks, point["run"]), filled=point["p_holm"] < 0.05)
    for (name, _), axis in axes.items():
        axis.axvline(0, color="black", linewidth=0.8)
        _separate(axis, results.runs, table[table["set"] == name].drop_duplicates("pair"))
    legend_of_layers(figure, results.runs[results.runs["run"].isin(table["run"])], looks)
    return figure


def _separate(axis, runs, pairs):
    """A line between the comparisons with a base run and those between layer sets."""
    bases = pairs["against"].isin(runs.loc[runs["layers"] == "base", "run"])
    if bases.any() and not bases.all():
        axis.axhline(bases.sum() - 0.5, color="#999999", linewidth=0.8, linestyle=":")


def _pair(runs, row):
    """``run − base`` or ``run − qkv``, where that is plain; else both names in full."""
    layers = runs.loc[runs["run"] == row.against, "layers"].iloc[0]
    bases = runs.loc[runs["layers"] == "base", "run"].nunique()
    return f"{row.run} − {row.against if layers == 'base' and bases > 1 else layers}"


def distributions_figure(results):
    """How each measure is spread over the abstracts, for each run; perplexity on a logarithmic axis."""
    looks, titles = appearances(results.runs["layers"]), _titles(results.measures)
    runs_of = dict(iter(results.runs.groupby("set", sort=False)))
    figure, axes = panels(list(runs_of), titles, {name: list(runs["run"]) for name, runs in runs_of.items()})
    for (name, measure), axis in axes.items():
        runs = runs_of[name]
        columns = results.values[name].get(measure)
        numbers = [columns[run].dropna().to_numpy() if run in columns else [] for run in runs["run"]]
        draw_ridges(
            axis, numbers, [looks[layer_set(label)] for label in runs["layers"]], _edges(axis, measure, numbers)
        )
    legend_of_layers(figure, results.runs, looks)
    return figure


def _edges(axis, measure, numbers):
    """Bins over all runs' values: of equal width, or of equal ratio for perplexity."""
    import numpy
    from matplotlib.ticker import LogFormatter

    everything = numpy.concatenate(numbers)
    low, high = everything.min(), everything.max()
    bins = rice_bins(max(map(len, numbers)))
    if measure != "perplexity" or low == high:
        return numpy.histogram_bin_edges(everything, bins=bins)
    axis.set_xscale("log")
    for place in (axis.xaxis.set_major_formatter, axis.xaxis.set_minor_formatter):
        place(LogFormatter(minor_thresholds=(1.5, 0.7), labelOnlyBase=False))
    return numpy.geomspace(low, high, bins + 1)
