"""Heat map of the change in bits per byte of every run on every set."""

from __future__ import annotations

from typing import TYPE_CHECKING

from feyntune.report.figures.style import WIDTH, empty_figure, new_figure
from feyntune.report.significance import LEVEL

if TYPE_CHECKING:
    import pandas
    from matplotlib.figure import Figure

ROW = 0.24
"""Inches that a run takes."""


def changes_figure(table: pandas.DataFrame) -> Figure:
    """A cell for each run and set: colour and number are its change against its base model.

    Args:
        table: ``changes.csv``.
    """
    import numpy

    if table.empty:
        return empty_figure("No run to compare with a base model.")
    bases = table["against"].nunique()
    names = table["run"] if bases == 1 else table["run"] + " − " + table["against"]
    wide = table.assign(row=names).pivot(index="row", columns="set", values=["difference", "p_holm"])
    wide = wide.reindex(index=list(dict.fromkeys(names)))
    sets = list(dict.fromkeys(table["set"]))
    values, corrected = (
        wide[column].reindex(columns=sets).to_numpy(dtype=float) for column in ("difference", "p_holm")
    )
    largest = max(float(numpy.nanmax(numpy.abs(values))), 1e-9)
    figure = new_figure(WIDTH, ROW * len(wide) + 0.9)
    axis = figure.subplots()
    image = axis.imshow(values, cmap="PuOr_r", vmin=-largest, vmax=largest, aspect="auto")
    axis.set_xticks(range(len(sets)), sets)
    axis.set_yticks(range(len(wide)), list(wide.index))
    axis.tick_params(length=0)
    for (row, column), value in numpy.ndenumerate(values):
        if not numpy.isnan(value):
            text = f"{value:+.3f}" if corrected[row, column] < LEVEL else f"({value:+.3f})"
            colour = "white" if abs(value) > 0.7 * largest else "black"
            axis.text(column, row, text, ha="center", va="center", fontsize=7, color=colour)
    figure.colorbar(image, ax=axis, label="Change in bits per byte")
    return figure
