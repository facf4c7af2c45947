"""Learning curves: each run's loss while it trained."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from feyntune.core.columns import check_numbers
from feyntune.core.files import read_table
from feyntune.report.figures.style import (
    WIDTH,
    Look,
    appearances,
    empty_figure,
    layer_set,
    legend_of_layers,
    new_figure,
)

if TYPE_CHECKING:
    import pandas
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMNS = 3

DRAWN = ("epoch", "loss", "test_loss", "train_loss")
"""Columns of a history that are drawn."""


def learning_figure(runs: pandas.DataFrame, histories: Mapping[str, pandas.DataFrame]) -> Figure:
    """Loss over the passes through the training data, a panel for each model and dataset.

    Args:
        runs: DataFrame with the columns ``pool.LABELS``.
        histories: DataFrames by run, as ``training.record.history_table`` describes them.
    """
    runs = runs[runs["run"].isin(list(histories))].drop_duplicates("run")
    if runs.empty:
        return empty_figure("No run was trained here: there is no learning curve.")
    groups = list(runs.groupby(["model", "dataset"], sort=False))
    columns = min(COLUMNS, len(groups))
    lines = -(-len(groups) // columns)
    figure = new_figure(WIDTH, 2.1 * lines + 0.5)
    grid = figure.subplots(lines, columns, squeeze=False, sharex=True, sharey=True)
    looks = appearances(runs["layers"])
    for axis, ((model, dataset), members) in zip(grid.flat, groups, strict=False):
        axis.set_title(dataset if runs["model"].nunique() == 1 else f"{model}, {dataset}")
        for member in members.itertuples():
            _draw_curves(axis, histories[member.run], looks[layer_set(member.layers)])
    for axis in list(grid.flat)[len(groups) :]:
        axis.remove()
    figure.supxlabel("Passes over the training data", fontsize=8)
    figure.supylabel("Loss (nats per token)", fontsize=8)
    legend_of_layers(figure, runs, looks)
    _legend_of_lines(figure)
    return figure


def read_history(path: Path) -> pandas.DataFrame:
    """The losses of a training by step. Raises FeynTuneError if its file has no such numbers."""
    table = read_table(path, DRAWN)
    check_numbers(table, DRAWN, path)
    return table.to_pandas()


def _draw_curves(axis: Axes, history: pandas.DataFrame, look: Look) -> None:
    """The batches' loss in light colour; evaluations on the test split (solid) and on the training split (dotted)."""
    colour, marker = look
    axis.plot(history["epoch"], history["loss"], color=colour, alpha=0.3, linewidth=0.6)
    for column, style, size in (("test_loss", "-", 4), ("train_loss", ":", 2.5)):
        points = history.dropna(subset=column)
        axis.plot(points["epoch"], points[column], color=colour, linestyle=style, marker=marker, markersize=size)
    axis.grid(True)
    axis.tick_params(labelbottom=True)  # panels above an empty place would have no labels


def _legend_of_lines(figure: Figure) -> None:
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], color="black", linewidth=1.2, label="test split"),
        Line2D([], [], color="black", linewidth=1.2, linestyle=":", label="training split, sample"),
        Line2D([], [], color="black", linewidth=0.6, alpha=0.4, label="each batch"),
    ]
    figure.legend(handles=handles, loc="outside upper left", ncols=len(handles))
