"""Names of the files that people look at; light to import, so that the workflow can declare them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from feyntune.config.schema.report import Group

TABLES = ("summary", "distributions", "comparisons", "changes", "membership", "similarity", "quantities")
TABLE_FORMATS = ("csv", "tex", "html")
FIGURES = (
    "intervals",
    "differences",
    "changes",
    "distributions",
    "learning_curves",
    "cosine_histograms",
    "cosine_heatmaps",
    "time",
)
FIGURE_FORMATS = ("png", "svg")
CHECKPOINTS = "checkpoints"
"""Name of the table and the figure of adapters at evaluation steps, where these are evaluated."""


SEED_TABLES = ("seeds", "seed_comparisons")
"""Tables of configurations with groups of runs: with seeds, or varied settings."""
SWEEP = "sweep"
"""Table and figure of configurations with varied settings."""


def table_names(groups: Sequence[Group], *, checkpoints: bool = False) -> list[str]:
    """Names of the tables of a configuration with these groups of runs.

    Args:
        groups: groups of runs.
        checkpoints: whether adapters are evaluated at evaluation steps.
    """
    return [*TABLES, *(SEED_TABLES if groups else ()), *_optional(groups, checkpoints)]


def figure_names(groups: Sequence[Group], *, checkpoints: bool = False) -> list[str]:
    """The same for figures."""
    return [*FIGURES, *_optional(groups, checkpoints)]


def _optional(groups: Sequence[Group], checkpoints: bool) -> list[str]:
    is_sweep = any(group.varied for group in groups)
    return [*([SWEEP] if is_sweep else []), *([CHECKPOINTS] if checkpoints else [])]


def table_files(folder: str | Path, groups: Sequence[Group] = (), *, checkpoints: bool = False) -> list[str]:
    """Every file that `tables.py` writes into ``folder``."""
    names = table_names(groups, checkpoints=checkpoints)
    return [f"{folder}/{name}.{suffix}" for name in names for suffix in TABLE_FORMATS]


def figure_files(folder: str | Path, groups: Sequence[Group] = (), *, checkpoints: bool = False) -> list[str]:
    """Every file that `figures.py` writes into ``folder``."""
    names = figure_names(groups, checkpoints=checkpoints)
    return [f"{folder}/{name}.{suffix}" for name in names for suffix in FIGURE_FORMATS]


def remove_others(folder: Path, files: Sequence[str]) -> None:
    """Delete optional tables or figures that an earlier configuration had; they would be taken for current ones."""
    others = [
        folder / f"{name}.{suffix}"
        for name in (*SEED_TABLES, SWEEP, CHECKPOINTS)
        for suffix in (*TABLE_FORMATS, *FIGURE_FORMATS)
    ]
    for path in others:
        if str(path) not in files:
            path.unlink(missing_ok=True)
