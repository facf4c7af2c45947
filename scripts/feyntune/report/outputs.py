"""Names of the files that people look at; light to import, so that the workflow can declare them."""

from pathlib import Path

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


def table_files(folder: str | Path, *, checkpoints: bool = False) -> list[str]:
    """Every file that `tables.py` writes into ``folder``; ``checkpoints``: also those of ``CHECKPOINTS``."""
    names = (*TABLES, CHECKPOINTS) if checkpoints else TABLES
    return [f"{folder}/{name}.{suffix}" for name in names for suffix in TABLE_FORMATS]


def figure_files(folder: str | Path, *, checkpoints: bool = False) -> list[str]:
    """Every file that `figures.py` writes into ``folder``; ``checkpoints``: also those of ``CHECKPOINTS``."""
    names = (*FIGURES, CHECKPOINTS) if checkpoints else FIGURES
    return [f"{folder}/{name}.{suffix}" for name in names for suffix in FIGURE_FORMATS]
