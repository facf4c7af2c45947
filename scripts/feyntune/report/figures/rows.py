"""Panels in which each run is a row: a panel for each evaluation set and measure, runs on one common axis."""

import math

from feyntune.report.figures.style import WIDTH, layer_set, new_figure

ROW = 0.19
"""Inches that a row takes."""


def panels(sets, titles, rows_of):
    """A figure with a row of panels for each set, and in it one for each title.

    Args:
        sets: names of evaluation sets.
        titles: titles of the panels by key.
        rows_of: labels of the rows by set.

    Returns:
        The figure, and the axes by (set, key).
    """
    heights = [len(rows_of[name]) * ROW + 0.6 for name in sets]
    figure = new_figure(max(WIDTH, 2 + 1.7 * len(titles)), sum(heights) + 0.4)
    grid = figure.subplots(len(sets), len(titles), squeeze=False, gridspec_kw={"height_ratios": heights})
    axes = {}
    for line, name in zip(grid, sets, strict=True):
        for place, (axis, (key, title)) in enumerate(zip(line, titles.items(), strict=True)):
            label_rows(axis, rows_of[name], shown=place == 0)
            axis.set_title(title if len(sets) == 1 else f"{title} on {name}")
            axes[name, key] = axis
    return figure, axes


def label_rows(axis, labels, shown):
    """Put the names of the rows on the vertical axis, the first on top; ``shown`` on one panel of several only."""
    axis.set_yticks(range(len(labels)), labels if shown else [])
    axis.set_ylim(len(labels) - 0.4, -0.6)
    axis.tick_params(axis="y", length=0)
    axis.grid(axis="x")


def draw_interval(axis, row, point, look, filled=True):
    """A marker at ``mean`` with a bar from ``low`` to ``high`` (keys of ``point``)."""
    colour, marker = look
    if point["low"] == point["low"]:  # NaN has no bar
        axis.plot([point["low"], point["high"]], [row, row], color=colour, solid_capstyle="butt", linewidth=1.6)
    face = colour if filled else "white"
    axis.plot(point["mean"], row, marker=marker, color=colour, markerfacecolor=face, markersize=4.5, linestyle="none")


def look_of(runs, looks, run):
    """Colour and marker of a run."""
    return looks[layer_set(runs.loc[runs["run"] == run, "layers"].iloc[0])]


def rice_bins(count):
    """How many bins a histogram of so many numbers should have, by Rice's rule; at most a hundred."""
    return min(2 * math.ceil(count ** (1 / 3)), 100)


def draw_ridges(axis, values, looks, edges):
    """A histogram for each row, as a hill that stands on the row's line, with a mark at the median.

    Args:
        axis: axes with a row for each of ``values``.
        values: arrays of numbers, one a row; a row may be empty.
        looks: colour and marker by row.
        edges: edges of the histograms' bins.
    """
    import numpy

    for row, (numbers, (colour, _)) in enumerate(zip(values, looks, strict=True)):
        if not len(numbers):
            continue
        counts, _ = numpy.histogram(numbers, bins=edges)
        heights = 0.85 * counts / max(counts.max(), 1)
        floor = row + 0.4
        axis.stairs(floor - heights, edges, baseline=floor, fill=True, color=colour, alpha=0.35, linewidth=0)
        axis.stairs(floor - heights, edges, baseline=floor, color=colour, linewidth=0.7)
        axis.plot([numpy.median(numbers)] * 2, [floor, floor - 0.3], color="black", linewidth=1.4)
