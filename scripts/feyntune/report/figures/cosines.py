"""Figures of the similarities between abstracts: histograms of cosines, and the matrices themselves."""

import math

from feyntune.report.figures.rows import draw_ridges, label_rows
from feyntune.report.figures.style import WIDTH, appearances, empty_figure, layer_set, legend_of_layers, new_figure

COLUMNS = 5
NOTHING = "No run has a matrix of cosines."


def sample_matrices(paths, rows, seed):
    """Read a part of each matrix: at most ``rows`` abstracts, the same ones for all matrices of an evaluation set.

    Args:
        paths: files by (set, run), in the people's order.
        rows: abstracts to take; of larger sets, a random sample.
        seed: its seed.

    Returns:
        Matrices by (set, run): arrays of shape (n, n), float32; n is at most ``rows``.
    """
    import numpy

    from feyntune.tensors import read_tensors

    sampled = {}
    for key, path in paths.items():
        matrix = read_tensors(path, ["matrix"])["matrix"]
        chosen = numpy.arange(len(matrix))
        if len(matrix) > rows:
            chosen = numpy.sort(numpy.random.default_rng(seed).choice(len(matrix), rows, replace=False))
        sampled[key] = matrix[chosen][:, chosen].float().numpy()
    return sampled


def histograms_figure(runs, matrices):
    """How the cosines between different abstracts are spread, a row for each run."""
    import numpy

    if not matrices:
        return empty_figure(NOTHING)
    looks, names = appearances(runs["layers"]), list(dict.fromkeys(name for name, _ in matrices))
    values = {key: matrix[numpy.triu_indices(len(matrix), k=1)] for key, matrix in matrices.items()}
    figure = new_figure(WIDTH, 0.6 + 0.25 * len(matrices) + 0.4 * len(names))
    axes = figure.subplots(len(names), 1, squeeze=False, sharex=True)[:, 0]
    edges = numpy.linspace(min(map(numpy.min, values.values())), 1, 101)
    for axis, name in zip(axes, names, strict=True):
        members = [run for key, run in matrices if key == name]
        label_rows(axis, members, shown=True)
        axis.set_title(f"{name}: cosines between {len(matrices[name, members[0]]):,} abstracts")
        draw_ridges(axis, [values[name, run] for run in members], [_look(runs, looks, run) for run in members], edges)
    axes[-1].set_xlabel("Cosine of two abstracts' embeddings")
    legend_of_layers(figure, runs, looks)
    return figure


def _look(runs, looks, run):
    return looks[layer_set(runs.loc[runs["run"] == run, "layers"].iloc[0])]


def heatmaps_figure(matrices):
    """Each run's matrix, abstracts in one order for all runs of a set: like ones side by side in the first run's."""
    if not matrices:
        return empty_figure(NOTHING)
    columns = min(COLUMNS, math.ceil(math.sqrt(len(matrices))))
    lines = -(-len(matrices) // columns)
    figure = new_figure(WIDTH, (0.9 * WIDTH / columns + 0.2) * lines, layout="compressed")
    grid = figure.subplots(lines, columns, squeeze=False)
    lowest = min(float(matrix.min()) for matrix in matrices.values())
    orders = {}
    for axis, ((name, run), matrix) in zip(grid.flat, matrices.items(), strict=False):
        order = orders.setdefault(name, clustered_order(matrix))
        image = axis.imshow(matrix[order][:, order], vmin=lowest, vmax=1, cmap="cividis", interpolation="nearest")
        axis.set_title(run, fontsize=6, fontweight="normal")
        axis.set(xticks=[], yticks=[])
    used = list(grid.flat)[: len(matrices)]
    for axis in list(grid.flat)[len(matrices) :]:
        axis.remove()
    figure.colorbar(image, ax=used, shrink=0.6, label="Cosine of two abstracts' embeddings")
    return figure


def clustered_order(matrix):
    """Rows of a matrix of cosines in the order of the leaves of a clustering by average distance 1 - cosine."""
    import numpy
    from scipy.cluster.hierarchy import leaves_list, linkage
    from scipy.spatial.distance import squareform

    if len(matrix) < 3:
        return numpy.arange(len(matrix))
    distances = numpy.clip(1 - (matrix + matrix.T) / 2, 0, None)
    numpy.fill_diagonal(distances, 0)
    return leaves_list(linkage(squareform(distances, checks=False), method="average"))
