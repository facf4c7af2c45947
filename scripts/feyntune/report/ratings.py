"""People's ratings: read from filled sheets or from a table like the paper's, and checked row by row."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

from feyntune.core.errors import FeynTuneError

COLUMNS = ("paper", "model", "rater", "score", "source", "category")
"""The paper's columns."""
LOWEST, HIGHEST = 0, 10


Row = dict[str, str]
"""A row of a CSV file by column, without white space around the values."""


def read_ratings(paths: Sequence[Path], key: Path | None) -> list[dict[str, str | float]]:
    """Read ratings from CSV files that have the paper's columns, or from sheets that belong to ``key``.

    Rows without a score are left out: a rater may not have got to the end.

    Args:
        paths: CSV files, separated by commas, semicolons or tabs.
        key: the key file of the sheets; None if the files have the paper's columns themselves.

    Returns:
        Dicts with the keys ``COLUMNS``; ``score`` is a float.

    Raises:
        FeynTuneError: with a line for every invalid row.
    """
    items = {row["code"]: row for _, row in _rows(key, ("code", "paper", "model"))} if key else None
    wanted = ("rater", "code", "score") if key else COLUMNS
    ratings: list[dict[str, str | float]] = []
    faults: list[str] = []
    seen: dict[tuple[str, ...], str] = {}
    for path in paths:
        for place, row in _rows(path, wanted):
            fault = _fault(row, items, seen, place)
            if fault:
                faults.append(f"{place}: {fault}")
            elif row["score"]:
                ratings.append(_rating(row, items))
    if faults:
        raise FeynTuneError("\n".join(faults))
    if not ratings:
        raise FeynTuneError(f"{', '.join(map(str, paths))}: no row has a score yet")
    return ratings


def _rows(path: Path, columns: Sequence[str]) -> list[tuple[str, Row]]:
    """Pairs of a place (file and row, as a spreadsheet counts) and a row of a CSV file that has ``columns``."""
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            header = file.readline()
            file.seek(0)
            reader = csv.DictReader(file, delimiter=max(",;\t", key=header.count), restval="")
            missing = [name for name in columns if name not in (reader.fieldnames or [])]
            if missing:
                raise FeynTuneError(f"{path}: no column {missing[0]!r}; it needs {', '.join(columns)}")
            return [(f"{path}: row {number}", _stripped(row)) for number, row in enumerate(reader, start=2)]
    except FileNotFoundError:
        raise FeynTuneError(f"{path}: no such file") from None


def _stripped(row: Mapping[str, object]) -> Row:
    return {name: value.strip() for name, value in row.items() if isinstance(value, str)}


def _fault(row: Row, items: Mapping[str, Row] | None, seen: dict[tuple[str, ...], str], place: str) -> str | None:
    """What is wrong with a row, or None."""
    if not row["rater"]:
        return "no rater"
    if items is not None and row["code"] not in items:
        return f"code {row['code']!r} is not in the key"
    rated = (row["rater"], row["code"]) if items is not None else (row["rater"], row["paper"], row["model"])
    if rated in seen:
        return f"{', '.join(rated)} was already rated in {seen[rated]}"
    seen[rated] = place
    if row["score"] and _score(row["score"]) is None:
        return f"score {row['score']!r} is no number from {LOWEST} to {HIGHEST}"
    return None


def _score(text: str) -> float | None:
    """A number on the scale, with a decimal point or comma; None if it is none."""
    try:
        score = float(text.replace(",", "."))
    except ValueError:
        return None
    return score if LOWEST <= score <= HIGHEST else None


def _rating(row: Row, items: Mapping[str, Row] | None) -> dict[str, str | float]:
    known = row if items is None else {**items[row["code"]], "rater": row["rater"]}
    return {**{name: known.get(name, "") for name in COLUMNS}, "score": _score(row["score"])}
