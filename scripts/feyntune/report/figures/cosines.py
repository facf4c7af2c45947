"""Figures of the similarities between abstracts: histograms of cosines, and the matrices themselves."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from feyntune.core.errors import FeynTuneError
from feyntune.core.files import MADE_AGAIN
from feyntune.report.figures.rows import draw_ridges, label_rows, look_of, rice_bins
from feyntune.report.figures.style import WIDTH, appearances, empty_figure, legend_of_layers, new_figure

if TYPE_CHECKING:
    import numpy
    import pandas
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMNS = 5
VERIFIED = 200_000_000
"""Bytes up to which the checksums of a matrix are compared before it is drawn."""
HALF_PRECISION = 1e-3
"""How far a cosine may lie beyond 1 in float16."""
NOTHING = "No run has a matrix of cosines."


@dataclass(frozen=True)
class Cosines:
    """A part of a run's matrix."""

    matrix: numpy.ndarray
    """Shape (n, n), float32."""
    total: int
    """Abstracts in the whole matrix."""

    @property
    def extent(self) -> str:
        """The number of abstracts, in words."""
        drawn = len(self.matrix)
        return f"{drawn:,} abstracts" if drawn == self.total else f"{drawn:,} of {self.total:,} abstracts, at random"


def sample_matrices(paths: Mapping[tuple[str, str], Path], rows: int, seed: int) -> dict[tuple[str, str], Cosines]:
    """Read a part of each matrix: at most ``rows`` abstracts, the same ones for all matrices of an evaluation set.

    Args:
        paths: files by (set, run), in the order of the runs.
        rows: abstracts to take; of larger sets, a random sample.
        seed: its seed.

    Returns:
        ``Cosines`` by (set, run).

    Raises:
        FeynTuneError: a file cannot be read, or does not hold a matrix of cosines.
    """
    import numpy
    import torch

    from feyntune.core.tensors import read_tensors

    sampled = {}
    for key, path in paths.items():
        # Of large matrices, of which most is not read here, a wrong value would not be visible.
        verified = path.is_file() and path.stat().st_size <= VERIFIED
        matrix = read_tensors(path, ["matrix"], verified)["matrix"]
        if (
            not isinstance(matrix, torch.Tensor)
            or matrix.dim() != 2
            or len(matrix) != matrix.shape[1]
            or not len(matrix)
        ):
            raise FeynTuneError(f"{path}: it holds no square matrix; {MADE_AGAIN}")
        chosen = numpy.arange(len(matrix))
        if len(matrix) > rows:
            chosen = numpy.sort(numpy.random.default_rng(seed).choice(len(matrix), rows, replace=False))
        drawn = matrix[chosen][:, chosen].float().numpy()
        if not (numpy.abs(drawn) <= 1 + HALF_PRECISION).all():  # NaN neither
            raise FeynTuneError(f"{path}: its values are no cosines; {MADE_AGAIN}")
        sampled[key] = Cosines(drawn, len(matrix))
    return sampled


def histograms_figure(runs: pandas.DataFrame, cosines: Mapping[tuple[str, str], Cosines]) -> Figure:
    """Histograms of the cosines between different abstracts, a row for each run.

    Args:
        runs: DataFrame with the columns ``pool.LABELS``.
        cosines: from ``sample_matrices``.
    """
    import numpy

    if not cosines:
        return empty_figure(NOTHING)
    looks, names = appearances(runs["layers"]), list(dict.fromkeys(name for name, _ in cosines))
    values = {key: one.matrix[numpy.triu_indices(len(one.matrix), k=1)] for key, one in cosines.items()}
    figure = new_figure(WIDTH, 0.6 + 0.25 * len(cosines) + 0.4 * len(names))
    axes = figure.subplots(len(names), 1, squeeze=False, sharex=True)[:, 0]
    bins = rice_bins(max(map(len, values.values())))
    edges = numpy.linspace(min(map(numpy.min, values.values())), 1, bins + 1)
    for axis, name in zip(axes, names, strict=True):
        members = [run for key, run in cosines if key == name]
        label_rows(axis, members, shown=True)
        axis.set_title(f"{name}: {cosines[name, members[0]].extent}")
        draw_ridges(axis, [values[name, run] for run in members], [look_of(runs, looks, run) for run in members], edges)
    axes[-1].set_xlabel("Cosine of two abstracts' embeddings")
    legend_of_layers(figure, runs, looks)
    return figure


def heatmaps_figure(cosines: Mapping[tuple[str, str], Cosines]) -> Figure:
    """Each run's matrix, abstracts in one order for all runs of a set: similar ones are neighbours in the first run's.

    Args:
        cosines: from ``sample_matrices``.
    """
    if not cosines:
        return empty_figure(NOTHING)
    columns = min(COLUMNS, math.ceil(math.sqrt(len(cosines))))
    lines = -(-len(cosines) // columns)
    figure = new_figure(WIDTH, (0.9 * WIDTH / columns + 0.3) * lines + 0.2, layout="compressed")
    grid = list(figure.subplots(lines, columns, squeeze=False).flat)
    used = grid[: len(cosines)]
    _draw_matrices(figure, used, cosines, columns)
    for axis in grid[len(cosines) :]:
        axis.remove()
    extents = dict.fromkeys(f"{name}: {one.extent}" for (name, _), one in cosines.items())
    figure.suptitle("; ".join(extents), fontsize=8, x=0, ha="left")
    return figure


def _draw_matrices(
    figure: Figure, axes: Sequence[Axes], cosines: Mapping[tuple[str, str], Cosines], columns: int
) -> None:
    """Heat maps on one colour scale, whose low end leaves out the lowest hundredth."""
    import numpy

    low = min(float(numpy.quantile(one.matrix, 0.01)) for one in cosines.values())
    orders: dict[str, numpy.ndarray] = {}
    for axis, ((name, run), one) in zip(axes, cosines.items(), strict=True):
        if name not in orders:
            orders[name] = clustered_order(one.matrix)
        order = orders[name]
        image = axis.imshow(one.matrix[order][:, order], vmin=low, vmax=1, cmap="cividis", interpolation="nearest")
        axis.set_title(_wrapped(run, 110 // columns), fontsize=6, fontweight="normal")
        axis.set(xticks=[], yticks=[])
    figure.colorbar(image, ax=axes, shrink=0.6, extend="min", label="Cosine of two abstracts' embeddings")


def _wrapped(name: str, width: int) -> str:
    """A name in lines of at most ``width`` letters, broken after underscores."""
    return textwrap.fill(name.replace("_", "_ "), width, break_on_hyphens=False).replace("_ ", "_")


def clustered_order(matrix: numpy.ndarray) -> numpy.ndarray:
    """Rows of a matrix of cosines in the order of the leaves of a clustering by average distance 1 - cosine."""
    import numpy
    from scipy.cluster.hierarchy import leaves_list, linkage
    from scipy.spatial.distance import squareform

    if len(matrix) < 3:
        return numpy.arange(len(matrix))
    distances = numpy.clip(1 - (matrix + matrix.T) / 2, 0, None)
    numpy.fill_diagonal(distances, 0)
    return leaves_list(linkage(squareform(distances, checks=False), method="average"))
