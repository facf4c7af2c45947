"""Print the results of all runs in one screen: perplexity with its interval, and the headline metrics."""

import argparse
import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

from feyntune.core.cli import launch
from feyntune.core.errors import FeynTuneError
from feyntune.report.typeset import decimals, interval, number

Row = Mapping[str, str]


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--results", type=Path, default=Path("results"), help="folder of results")


def main(options: argparse.Namespace) -> None:
    """Print the table and where everything is."""
    rows, quantities = (read_rows(options.results / "tables" / f"{name}.csv") for name in ("summary", "quantities"))
    metrics = {each["quantity"]: each["title"] for each in quantities if each["headline"] == "True"}
    del metrics["perplexity"]
    print_columns([["set", "run", "perplexity [interval]", *metrics.values()], *cells(rows, list(metrics))])
    print(f"\nThe report: {options.results}/report.html")
    print(f"Tables and figures: {options.results}/tables/, {options.results}/figures/")


def read_rows(path: Path) -> list[Row]:
    """The rows of a CSV table.

    Raises:
        FeynTuneError: no such file.
    """
    if not path.is_file():
        raise FeynTuneError(f"{path}: no such file; run snakemake first")
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def cells(rows: Sequence[Row], metrics: Sequence[str]) -> list[list[str]]:
    """The cells of each run: perplexity with its interval, and metrics."""
    perplexities = [[_float(row[f"perplexity{part}"]) for part in ("", "_low", "_high")] for row in rows]
    places = decimals(value for value, _, _ in perplexities)
    return [
        [row["set"], row["run"], interval(*perplexity, places), *(number(_float(row[name]), 3) for name in metrics)]
        for row, perplexity in zip(rows, perplexities, strict=True)
    ]


def _float(text: str) -> float:
    return float(text or "nan")


def print_columns(rows: Sequence[Sequence[str]]) -> None:
    """Print rows of text in columns: the first two aligned left, numbers aligned right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        padded = [
            cell.ljust(w) if i < 2 else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths, strict=True))
        ]
        print("  ".join(padded).rstrip())


if __name__ == "__main__":
    launch(__doc__, arguments, main)
