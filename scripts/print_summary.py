"""Print what all runs achieved in one screen: perplexity with its interval, and scores."""

import csv
from pathlib import Path

from feyntune.core.cli import launch
from feyntune.core.errors import FeynTuneError
from feyntune.report.typeset import decimals, interval, number


def arguments(parser):
    """Declare the options."""
    parser.add_argument("--results", type=Path, default=Path("results"), help="folder of results")


def main(options):
    """Print the table and where everything is."""
    path = options.results / "tables" / "summary.csv"
    if not path.is_file():
        raise FeynTuneError(f"{path}: no such file; run snakemake first")
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    print_columns([header(rows[0]), *cells(rows)])
    print(f"\nThe report: {options.results}/report.html")
    print(f"Tables and figures: {options.results}/tables/, {options.results}/figures/")


def scores(row):
    """Names of the score columns: of whole completions, and of continuations alone."""
    continuations = [name for name in row if name.endswith("_continuation")]
    return [
        name for continuation in continuations for name in (continuation.removesuffix("_continuation"), continuation)
    ]


def header(row):
    """Titles of the columns."""
    return ["set", "run", "perplexity [interval]", *(name.replace("_", " ") for name in scores(row))]


def cells(rows):
    """The cells of each run: perplexity with its interval, and scores."""
    perplexities = [[_float(row[f"perplexity{part}"]) for part in ("", "_low", "_high")] for row in rows]
    places = decimals(value for value, _, _ in perplexities)
    return [
        [row["set"], row["run"], interval(*perplexity, places), *(number(_float(row[name]), 3) for name in scores(row))]
        for row, perplexity in zip(rows, perplexities, strict=True)
    ]


def _float(text):
    return float(text or "nan")


def print_columns(rows):
    """Print rows of text in columns: the first two to the left, numbers to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        padded = [
            cell.ljust(w) if i < 2 else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths, strict=True))
        ]
        print("  ".join(padded).rstrip())


if __name__ == "__main__":
    launch(__doc__, arguments, main)
