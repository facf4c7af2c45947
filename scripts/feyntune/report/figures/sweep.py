"""Figure of varied settings: each headline quantity against each setting."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from feyntune.report.figures.style import WIDTH, empty_figure, new_figure
from feyntune.report.results import Quantity
from feyntune.report.sweep import LABELS, points, setting_text

if TYPE_CHECKING:
    import pandas
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PANEL = 2.0
"""Inches that a line of panels takes."""
DECADE = 10
"""Values that span this factor are on a logarithmic axis."""
SHIFT = 0.02
"""Shift of a line against its neighbour, of the width of the panel, so that error bars do not hide each other."""
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9", "#000000")
MARKERS = "osv^PXD"


def sweep_figure(table: pandas.DataFrame, quantities: Sequence[Quantity], varied: Sequence[str]) -> Figure:
    """Means with intervals against each varied setting that has several values, a line for each of the others.

    Args:
        table: ``sweep.csv``.
        quantities: the headline quantities.
        varied: the varied settings.
    """
    keys = [key for key in varied if table[key].nunique(dropna=False) > 1]
    titles = {each.name: each.title for each in quantities if each.name in table and table[each.name].notna().any()}
    if not keys or not titles:
        return empty_figure("Nothing to compare: no varied setting has several values.")
    sets = list(dict.fromkeys(table["set"]))
    lines = list(itertools.product(sets, titles))
    figure = new_figure(max(WIDTH, 2.6 * len(keys) + 1), PANEL * len(lines) + 0.3 + 0.17 * _most_lines(table, keys))
    grid = figure.subplots(len(lines), len(keys), squeeze=False, sharey="row", sharex="col")
    for row, (name, quantity) in zip(grid, lines, strict=True):
        rows = points(table[table["set"] == name], quantity)
        for axis, key in zip(row, keys, strict=True):
            _draw_lines(axis, rows, key, _others(table, keys, key))
        row[0].set_ylabel(titles[quantity] if len(sets) == 1 else f"{titles[quantity]}\non {name}")
    for axis, key in zip(grid[-1], keys, strict=True):
        axis.set_xlabel(key)
    for axis in grid[0]:
        handles, labels = axis.get_legend_handles_labels()
        if len(handles) > 1:
            axis.legend(handles, labels, loc="lower left", bbox_to_anchor=(0, 1), fontsize=7)
    return figure


def _others(table: pandas.DataFrame, keys: Sequence[str], key: str) -> list[str]:
    """The columns that tell the lines of a panel apart."""
    labels = [name for name in ("model", "dataset", "layers") if table[name].nunique() > 1]
    return [*labels, *(other for other in keys if other != key)]


def _most_lines(table: pandas.DataFrame, keys: Sequence[str]) -> int:
    return max(len(table[others].drop_duplicates()) if (others := _others(table, keys, key)) else 0 for key in keys)


def _draw_lines(axis: Axes, rows: pandas.DataFrame, key: str, others: Sequence[str]) -> None:
    """A line for each combination of the other settings."""
    places = _places(axis, rows[key])
    lines = list(rows.groupby(list(others), sort=False, dropna=False)) if others else [((), rows)]
    for number, (values, members) in enumerate(lines):
        label = ", ".join(_label(name, value) for name, value in zip(others, values, strict=True))
        members = members.assign(_place=[places[setting_text(value)] for value in members[key]]).sort_values("_place")
        shift = SHIFT * (number - (len(lines) - 1) / 2)
        x = members["_place"] * 10**shift if axis.get_xscale() == "log" else members["_place"] + shift * _span(places)
        colour = COLOURS[number % len(COLOURS)]
        axis.plot(x, members["mean"], color=colour, marker=MARKERS[number % len(MARKERS)], markersize=4, label=label)
        axis.vlines(x, members["low"], members["high"], color=colour, linewidth=1.2)
    axis.grid(True)


def _label(name: str, value: Any) -> str:
    return setting_text(value) if name in LABELS else f"{name.split('.')[-1]} {setting_text(value)}"


def _span(places: Mapping[str, float]) -> float:
    return max(places.values()) - min(places.values()) or 1


def _places(axis: Axes, values: pandas.Series) -> dict[str, float]:
    """Where the values of a setting are on the axis, by their text; settings that are no numbers are in their order."""
    import pandas

    texts = list(dict.fromkeys(map(setting_text, values)))
    numbers = pandas.to_numeric(pandas.Series(texts), errors="coerce")
    is_number = numbers.notna().all() and values.map(type).ne(bool).all()
    places = dict(zip(texts, numbers if is_number else range(len(texts)), strict=True))
    if is_number and min(places.values()) > 0 and max(places.values()) >= DECADE * min(places.values()):
        axis.set_xscale("log")
    axis.set_xticks(list(places.values()), list(places))
    axis.minorticks_off()
    return places
