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


def table_files(folder: str | Path) -> list[str]:
    """Every file that `tables.py` writes into ``folder``."""
    return [f"{folder}/{name}.{suffix}" for name in TABLES for suffix in TABLE_FORMATS]


def figure_files(folder: str | Path) -> list[str]:
    """Every file that `figures.py` writes into ``folder``."""
    return [f"{folder}/{name}.{suffix}" for name in FIGURES for suffix in FIGURE_FORMATS]
