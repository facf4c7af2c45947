"""Panels in which each run is a row: panels for each evaluation set and quantity, runs on one common axis."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from feyntune.report.figures.style import WIDTH, Look, layer_set, new_figure

if TYPE_CHECKING:
    import numpy
    import pandas
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ROW = 0.19
"""Inches that a row takes."""
COLUMNS = 4
"""Panels side by side; more of them stand in further lines."""


def panels(
    titles_of: Mapping[str, Mapping[str, str]], rows_of: Mapping[str, Sequence[str]]
) -> tuple[Figure, dict[tuple[str, str], Axes]]:
    """A figure with a line of panels for each set, or several lines, and in them one panel for each title.

    Args:
        titles_of: by evaluation set, titles of its panels by key.
        rows_of: labels of the rows by set.

    Returns:
        The figure, and the axes by (set, key).
    """
    lines = [(name, keys) for name, titles in titles_of.items() for keys in _split(list(titles))]
    columns = max(len(keys) for _, keys in lines)
    heights = [len(rows_of[name]) * ROW + 0.6 for name, _ in lines]
    figure = new_figure(max(WIDTH, 2 + 1.7 * columns), sum(heights) + 0.4)
    grid = figure.subplots(len(lines), columns, squeeze=False, gridspec_kw={"height_ratios": heights})
    axes = {}
    for row, (name, keys) in zip(grid, lines, strict=True):
        for place, (axis, key) in enumerate(zip(row, keys, strict=False)):
            label_rows(axis, rows_of[name], shown=place == 0)
            title = titles_of[name][key]
            axis.set_title(title if len(titles_of) == 1 else f"{title} on {name}")
            axes[name, key] = axis
        for axis in row[len(keys) :]:
            axis.remove()
    return figure, axes


def _split(keys: Sequence[str]) -> list[Sequence[str]]:
    """Keys in as few lines as ``COLUMNS`` allows, of equal lengths as far as possible."""
    lines = max(math.ceil(len(keys) / COLUMNS), 1)
    size = max(math.ceil(len(keys) / lines), 1)
    return [keys[start : start + size] for start in range(0, len(keys), size)]


def label_rows(axis: Axes, labels: Sequence[str], shown: bool) -> None:
    """Put the names of the rows on the vertical axis, the first on top; ``shown`` on one panel of several only."""
    axis.set_yticks(range(len(labels)), labels if shown else [])
    axis.set_ylim(len(labels) - 0.4, -0.6)
    axis.tick_params(axis="y", length=0)
    axis.grid(axis="x")


def draw_interval(axis: Axes, row: int, point: Mapping[str, float], look: Look, filled: bool = True) -> None:
    """A marker at ``mean`` with a bar from ``low`` to ``high`` (keys of ``point``)."""
    colour, marker = look
    if point["low"] == point["low"]:  # NaN has no bar
        axis.plot([point["low"], point["high"]], [row, row], color=colour, solid_capstyle="butt", linewidth=1.6)
    face = colour if filled else "white"
    axis.plot(point["mean"], row, marker=marker, color=colour, markerfacecolor=face, markersize=4.5, linestyle="none")


def look_of(runs: pandas.DataFrame, looks: Mapping[str | None, Look], run: str) -> Look:
    """Colour and marker of a run."""
    return looks[layer_set(runs.loc[runs["run"] == run, "layers"].iloc[0])]


def rice_bins(count: int) -> int:
    """Bins of a histogram of ``count`` numbers by Rice's rule; at most a hundred."""
    return min(2 * math.ceil(count ** (1 / 3)), 100)


def draw_ridges(axis: Axes, values: Sequence[numpy.ndarray], looks: Sequence[Look], edges: numpy.ndarray) -> None:
    """A histogram for each row, drawn on the row's line, with a mark at the median.

    Args:
        axis: axes with a row for each of ``values``.
        values: arrays of numbers, one for each row; a row may be empty.
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
