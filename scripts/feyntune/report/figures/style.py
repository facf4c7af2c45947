"""One style for all figures: legible in print, in grey, and by colour-blind readers; equal data give equal bytes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from feyntune.core.files import written_whole
from feyntune.report.outputs import FIGURE_FORMATS

if TYPE_CHECKING:
    import pandas
    from matplotlib.figure import Figure

Look = tuple[str, str]
"""A colour and a marker."""

SETTINGS = {
    "font.family": "DejaVu Sans",  # comes with matplotlib, so that every machine draws the same letters
    "font.size": 8,
    "axes.titlesize": 9,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "lines.linewidth": 1.2,
    "savefig.dpi": 200,
    "svg.hashsalt": "feyntune",
}
WIDTH = 7.2
"""Inches: the text width of a page."""

# Okabe and Ito's colours (https://jfly.uni-koeln.de/color/), taken so that they differ in lightness too, and a marker.
_OTHERS = [("#56B4E9", "^"), ("#009E73", "v"), ("#CC79A7", "P"), ("#D55E00", "X")]
_KNOWN = {"base": ("#000000", "D"), "all": ("#0072B2", "o"), "qkv": ("#E69F00", "s")}


def appearances(layers: Iterable[str | None]) -> dict[str | None, Look]:
    """A colour and a marker for each layer set, the same in every figure; None is for runs without a layer set."""
    names = sorted({str(name) for name in layers if isinstance(name, str)} - set(_KNOWN))
    others = {name: _OTHERS[place % len(_OTHERS)] for place, name in enumerate(names)}
    return {**_KNOWN, **others, None: ("#777777", "*")}


def layer_set(label: object) -> str | None:
    """The layer set of a run as a key of ``appearances``: pandas has NaN where a run has none."""
    return label if isinstance(label, str) else None


def new_figure(width: float, height: float, layout: str = "constrained") -> Figure:
    """An empty figure, sizes in inches, whose layout cuts off no label."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout=layout)


def empty_figure(text: str) -> Figure:
    """A figure that says why there is nothing to show."""
    figure = new_figure(WIDTH, 1)
    figure.text(0.5, 0.5, text, ha="center", va="center", color="#555555")
    return figure


def legend_of_layers(figure: Figure, runs: pandas.DataFrame, looks: Mapping[str | None, Look]) -> None:
    """A legend above the panels: the colour and marker of each layer set."""
    from matplotlib.lines import Line2D

    present = dict.fromkeys(layer_set(label) for label in runs["layers"])
    handles = [
        Line2D(
            [],
            [],
            color=looks[name][0],
            marker=looks[name][1],
            linestyle="none",
            markersize=5,
            label=name or "other",
        )
        for name in present
    ]
    figure.legend(handles=handles, loc="outside upper right", ncols=len(handles))


def save(figure: Figure, folder: Path, name: str, formats: Sequence[str] = FIGURE_FORMATS) -> None:
    """Write a figure in every format, without time and version, so that equal figures have equal bytes."""
    for suffix in formats:
        with written_whole(Path(folder) / f"{name}.{suffix}") as aside:
            figure.savefig(aside, metadata={"svg": {"Date": None}, "png": {"Software": None}}[suffix])
        figure.set_layout_engine("none")  # both formats have the layout of the first, which is found only once
