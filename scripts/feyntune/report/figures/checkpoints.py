"""Learning curves of all quantities on samples, with the best step of each run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from feyntune.report.checkpoints import VALIDATION
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

    from feyntune.report.results import Quantity

ACROSS = 4
"""Most panels beside each other."""
STYLES: Sequence[Any] = ("-", "--", "-.", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 2)))
"""Lines of evaluation sets, in their order; a validation split is dotted."""


def checkpoints_figure(runs: pandas.DataFrame, table: pandas.DataFrame, quantities: Sequence[Quantity]) -> Figure:
    """A group of panels for each model and dataset, a panel for each headline quantity.

    Args:
        runs: DataFrame with the columns ``pool.LABELS``.
        table: from ``checkpoints.read_curves``.
        quantities: all quantities.
    """
    runs = runs[runs["run"].isin(table["run"])].drop_duplicates("run")
    shown = [each for each in quantities if each.headline and _is_known(table, each.name)]
    if runs.empty or not shown:
        return empty_figure("No adapter was evaluated while it was trained.")
    groups = list(runs.groupby(["model", "dataset"], sort=False))
    lines = -(-len(shown) // ACROSS)
    across = -(-len(shown) // lines)
    figure = new_figure(WIDTH, 2 * lines * len(groups) + 0.7)
    grid = figure.subplots(lines * len(groups), across, squeeze=False)
    looks, styles = appearances(runs["layers"]), _styles(table)
    for place, ((model, dataset), members) in enumerate(groups):
        panels = grid[place * lines : (place + 1) * lines].flat
        for axis, quantity in zip(panels, shown, strict=False):
            for member in members.itertuples():
                rows = table[(table["run"] == member.run) & (table["metric"] == quantity.name)]
                _draw_run(axis, rows.dropna(subset="mean"), looks[layer_set(member.layers)], styles)
            _finish(axis, quantity)
        grid[place * lines, 0].set_title(dataset if runs["model"].nunique() == 1 else f"{model}, {dataset}")
        for axis in list(grid[place * lines : (place + 1) * lines].flat)[len(shown) :]:
            axis.remove()
    figure.supxlabel("Step", fontsize=8)
    legend_of_layers(figure, runs, looks)
    _legend_of_lines(figure, styles)
    return figure


def _is_known(table: pandas.DataFrame, quantity: str) -> bool:
    return bool(table.loc[table["metric"] == quantity, "mean"].notna().any())


def _styles(table: pandas.DataFrame) -> dict[str, Any]:
    """Line styles by set; all validation splits have the same."""
    sets = [name for name in dict.fromkeys(table["set"]) if not name.endswith(VALIDATION)]
    return {name: STYLES[place % len(STYLES)] for place, name in enumerate(sets)}


def _draw_run(axis: Axes, rows: pandas.DataFrame, look: Look, styles: Mapping[str, Any]) -> None:
    """Lines of one run, a line for each set, with a band of one standard error and a ring at the best step."""
    colour, marker = look
    for name, points in rows.groupby("set", sort=False):
        points = points.sort_values("step")
        error = points["standard_error"].fillna(0)
        axis.fill_between(
            points["step"], points["mean"] - error, points["mean"] + error, color=colour, alpha=0.12, linewidth=0
        )
        axis.plot(
            points["step"], points["mean"],
            color=colour, linestyle=styles.get(str(name), ":"), marker=marker, markersize=3,
        )  # fmt: skip
        best = points[points["best"]]
        axis.plot(
            best["step"], best["mean"],
            linestyle="none", marker="o", markersize=8, markerfacecolor="none", markeredgecolor=colour, clip_on=False,
        )  # fmt: skip


def _finish(axis: Axes, quantity: Quantity) -> None:
    axis.set_ylabel(quantity.title, fontsize=7)
    axis.tick_params(labelsize=7)
    axis.grid(True)
    if quantity.name == "perplexity":
        axis.set_yscale("log")


def _legend_of_lines(figure: Figure, styles: Mapping[str, Any]) -> None:
    from matplotlib.lines import Line2D

    handles = [Line2D([], [], color="black", linestyle=style, label=name) for name, style in styles.items()]
    handles.append(Line2D([], [], color="black", linestyle=":", label="validation split"))
    handles.append(
        Line2D([], [], linestyle="none", marker="o", markersize=8, color="black", fillstyle="none", label="best step")
    )
    figure.legend(handles=handles, loc="outside upper left", ncols=4)
