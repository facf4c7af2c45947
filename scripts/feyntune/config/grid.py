"""The grid: every model with every dataset and every layer set."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from feyntune.config.schema.runs import Grid


@dataclass(frozen=True)
class GridPoint:
    """One training of the grid."""

    name: str
    """Name of its run."""
    model: str
    dataset: str
    layers: str


def grid_points(grid: Grid) -> list[GridPoint]:
    """All trainings that a grid declares: by model, then by dataset, then by layer set."""
    axes = (grid.models, grid.datasets, grid.layer_sets)
    return [GridPoint("_".join(parts), *parts) for parts in itertools.product(*axes)]
