"""Names of the files that people look at; importing this costs nothing, so that the workflow can declare them."""

TABLES = ("summary", "distributions", "comparisons", "similarity")
TABLE_FORMATS = ("csv", "tex", "html")
FIGURES = (
    "intervals",
    "differences",
    "distributions",
    "learning_curves",
    "cosine_histograms",
    "cosine_heatmaps",
    "time",
)
FIGURE_FORMATS = ("png", "svg")


def table_files(folder):
    """Every file that `tables.py` writes into ``folder``."""
    return [f"{folder}/{name}.{suffix}" for name in TABLES for suffix in TABLE_FORMATS]


def figure_files(folder):
    """Every file that `figures.py` writes into ``folder``."""
    return [f"{folder}/{name}.{suffix}" for name in FIGURES for suffix in FIGURE_FORMATS]
