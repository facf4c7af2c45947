"""Print the results of all runs in one screen: perplexity with its interval, and the headline metrics."""

from __future__ import annotations

import argparse
import os
import sys
import webbrowser
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from feyntune.core.cli import launch
from feyntune.core.errors import FeynTuneError
from feyntune.core.files import MADE_AGAIN
from feyntune.core.spreadsheets import read_spreadsheet
from feyntune.report.made_files import TEXTS, check_rows, wrong_number
from feyntune.report.marks import MEANINGS, UNKNOWN, UNLIKE, footnote
from feyntune.report.significance import LEVEL
from feyntune.report.typeset import interval, interval_decimals, number

Row = Mapping[str, str]
Verdicts = Mapping[tuple[str, str, str], str]
"""A word or mark by (set, run, quantity)."""
RUN = ("set", "run", "model", "dataset", "marks")
GROUP = ("set", "group", "runs", "seeds", "quantity", "mean", "low", "high", "spread")
ENDS = {"": "mean", "_low": "low", "_high": "high", "_spread": "spread"}
"""Endings of names of columns as in summary.csv, and the columns of seeds.csv."""
MARKS = {"better": "▲", "worse": "▼"}
PLAIN_MARKS = {"better": "+", "worse": "-"}
PLAIN_SIGNS = str.maketrans({UNKNOWN: "(a)", UNLIKE: "(b)"})
"""For terminals that cannot show the others."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--results", type=Path, default=Path("results"), help="folder of results")
    parser.add_argument("--open", action="store_true", help="open the report in a browser, where there is a desktop")


def main(options: argparse.Namespace) -> None:
    """Print the table and where everything is."""
    tables = options.results / "tables"
    quantities = read_rows(tables, "quantities", ("quantity", "title", "headline", "better"))
    headline = {each["quantity"]: each for each in quantities if each["headline"] == "True"}
    if not headline:
        raise FeynTuneError(f"{tables}/quantities.csv: no quantity is a headline; {MADE_AGAIN}")
    first, *others = headline  # perplexity, or bits per byte where tokenizers differ
    rows = read_rows(tables, "summary", (*RUN, *headline, f"{first}_low", f"{first}_high"))
    has_groups = (tables / "seeds.csv").exists()
    if has_groups:
        rows = group_rows(rows, read_rows(tables, "seeds", GROUP), headline)
    pairs = read_pairs(tables, has_groups)
    marks = MARKS if _can_show("".join(MARKS.values())) else PLAIN_MARKS
    verdicts = {key: marks[verdict] for key, verdict in against_base(rows, pairs, headline).items()}
    titles = [f"{headline[first]['title'].lower()} [interval]", *(headline[name]["title"] for name in others)]
    print_columns([["set", "run", *titles], *cells(rows, [first, *others], verdicts)])
    if verdicts:
        better, worse = marks["better"], marks["worse"]
        print(f"\n{better} better, {worse} worse than the base model (paired test, corrected p < {LEVEL})")
    if has_groups:
        print(f"\n{plus_minus()} standard deviation between the means of the seeds")
    if note := footnote({row["run"]: row["marks"] for row in rows}).strip():
        print(f"\n{note.translate({} if _can_show(note) else PLAIN_SIGNS)}")
    print(f"\nThe report: {options.results}/report.html")
    print(f"Tables and figures: {options.results}/tables/, {options.results}/figures/")
    if options.open and desktop(os.environ, sys.platform) and sys.stdout.isatty():
        webbrowser.open((options.results / "report.html").resolve().as_uri())


def desktop(environment: Mapping[str, str], platform: str) -> bool:
    """Whether a browser window can be opened: not in CI, not over SSH, and with a display."""
    if environment.get("CI") or environment.get("SSH_CONNECTION"):
        return False
    return platform == "darwin" or bool(environment.get("DISPLAY") or environment.get("WAYLAND_DISPLAY"))


def against_base(rows: Sequence[Row], pairs: Sequence[Row], quantities: Mapping[str, Row]) -> Verdicts:
    """Whether each run is ``better`` or ``worse`` than its base model; what is undecided is left out.

    Args:
        rows: rows of summary.csv; base models have no dataset.
        pairs: rows of comparisons.csv.
        quantities: rows of quantities.csv by quantity.
    """
    bases = {row["run"] for row in rows if row["model"] and not row["dataset"]}
    found = {}
    for pair in pairs:
        quantity = quantities.get(pair["quantity"])
        if quantity and pair["against"] in bases and _float(pair["p_holm"]) < LEVEL:
            lower = _float(pair["difference"]) < 0
            verdict = "better" if lower == (quantity["better"] == "lower") else "worse"
            found[pair["set"], pair["run"], pair["quantity"]] = verdict
    return found


def read_pairs(tables: Path, has_groups: bool) -> list[Row]:
    """The rows of the table of comparisons, or of that between groups of runs with the group as run."""
    run = "group" if has_groups else "run"
    needed = ("set", run, "against", "quantity", "difference", "p_holm")
    rows = read_rows(tables, "seed_comparisons" if has_groups else "comparisons", needed)
    return [{**row, "run": row[run]} for row in rows]


def group_rows(rows: Sequence[Row], seeds: Sequence[Row], headline: Iterable[str]) -> list[Row]:
    """The rows of groups, with the keys of rows of summary.csv that are shown, and ``{quantity}_spread``.

    Args:
        rows: rows of summary.csv, a row for each run.
        seeds: rows of seeds.csv, a row for each group and quantity.
        headline: names of the quantities that are shown.
    """
    of_runs = {(row["set"], row["run"]): row for row in rows}
    columns = {f"{name}{end}": "" for name in headline for end in ENDS}
    groups: dict[tuple[str, str], dict[str, str]] = {}
    for row in seeds:
        first = of_runs.get((row["set"], row["runs"].split()[0]), {})
        shown = f"{row['group']} ({row['seeds']} seeds)" if int(row["seeds"]) > 1 else row["group"]
        labels = {**{name: first.get(name, "") for name in RUN}, "run": row["group"], "shown": shown}
        group = groups.setdefault((row["set"], row["group"]), {**columns, **labels})
        group |= {f"{row['quantity']}{end}": row[column] for end, column in ENDS.items()}
    return list(groups.values())


def plus_minus() -> str:
    """A sign that the terminal can show."""
    return "±" if _can_show("±") else "+-"


def _can_show(text: str) -> bool:
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def read_rows(tables: Path, name: str, needed: Sequence[str]) -> list[Row]:
    """The rows of a table, from its CSV file; the HTML file must have as many.

    Raises:
        FeynTuneError: a file is missing or damaged.
    """
    path = tables / f"{name}.csv"
    if not path.is_file():
        raise FeynTuneError(f"{path}: no such file; run snakemake first")
    rows: list[Row] = [row for _, row in read_spreadsheet(path, needed).rows]
    check_rows(tables, name, len(rows))
    for column in (column for column in needed if column not in (*TEXTS, "group", "runs", "headline")):
        wrong = next((row[column] for row in rows if not _is_number(row[column])), None)
        if wrong is not None:
            raise FeynTuneError(wrong_number(path, column, wrong))
    return rows


def cells(rows: Sequence[Row], metrics: Sequence[str], verdicts: Verdicts) -> list[list[str]]:
    """The cells of each run: the first quantity with its interval, and the others, each with its mark."""
    places = interval_decimals(*([_float(row[f"{metrics[0]}{end}"]) for row in rows] for end in ("", "_low", "_high")))
    signs = {} if _can_show("".join(MEANINGS)) else PLAIN_SIGNS
    return [
        [
            row["set"],
            f"{row.get('shown', row['run'])}{row['marks'].translate(signs)}",
            *_values(row, metrics, places, verdicts),
        ]
        for row in rows
    ]


def _values(row: Row, metrics: Sequence[str], places: int, verdicts: Verdicts) -> Iterator[str]:
    mean, low, high = (_float(row[f"{metrics[0]}{end}"]) for end in ("", "_low", "_high"))
    shown = {metrics[0]: interval(mean, low, high, places)}
    shown |= {name: number(_float(row[name]), 3) for name in metrics[1:]}
    for name in metrics:
        spread = _float(row.get(f"{name}_spread", ""))
        shown[name] += f" {plus_minus()} {spread:.2g}" if spread == spread else ""
    for name, text in shown.items():
        mark = verdicts.get((row["set"], row["run"], name), " ")
        yield f"{text} {mark}" if verdicts else text


def _is_number(text: str) -> bool:
    try:
        _float(text)
    except ValueError:
        return False
    return True


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
