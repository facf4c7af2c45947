"""People's ratings: read from filled sheets or from a table like the paper's, and checked row by row."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from feyntune.core.errors import FeynTuneError, shorten
from feyntune.core.spreadsheets import Row, read_spreadsheet

COLUMNS = ("paper", "model", "rater", "score", "source", "category")
"""The paper's columns."""
LOWEST, HIGHEST = 0, 10
SCORE = re.compile(r"[0-9]+([.,][0-9]*)?")
SHOWN = 10
"""Invalid rows that are listed."""


def read_ratings(paths: Sequence[Path], key: Path | None) -> list[dict[str, str | float | None]]:
    """Read ratings from CSV files that have the paper's columns, or from sheets that belong to ``key``.

    Rows without a score are left out: a rater may not have got to the end.

    Args:
        paths: CSV files, as ``core.spreadsheets`` reads them.
        key: the key file of the sheets; None if the files have the paper's columns themselves.

    Returns:
        Dicts with the keys ``COLUMNS``; ``score`` is a float.

    Raises:
        FeynTuneError: with a line for every invalid row, up to ten of them.
    """
    items = read_key(key) if key else None
    wanted = ("rater", "code", "score") if key else COLUMNS
    ratings: list[dict[str, str | float | None]] = []
    faults: list[str] = []
    seen: dict[tuple[str, ...], str] = {}
    for path in paths:
        for number, row in read_spreadsheet(path, wanted).rows:
            row, place = _stripped(row), f"{path}: row {number}"
            fault = _fault(row, items, seen, place)
            if fault:
                faults.append(f"{place}: {fault}; correct the sheet")
            elif row["score"]:
                ratings.append(_rating(row, items))
    if len(faults) > SHOWN:
        faults = [*faults[:SHOWN], f"{len(faults) - SHOWN:,} more rows are invalid; correct them in the same way"]
    if faults:
        raise FeynTuneError("\n".join(faults))
    if not ratings:
        raise FeynTuneError(f"{', '.join(map(str, paths[:3]))}: no row has a score yet; fill in the sheets")
    return ratings


def read_key(path: Path) -> dict[str, Row]:
    """The rows of a key file by code.

    Raises:
        FeynTuneError: it cannot be read, or a code is there twice.
    """
    items: dict[str, Row] = {}
    for number, row in read_spreadsheet(path, ("code", "paper", "model")).rows:
        code = row["code"].strip()
        if code in items:
            raise FeynTuneError(f"{path}: row {number}: code {shorten(code)} is there twice; take the original key")
        items[code] = _stripped(row)
    return items


def _stripped(row: Mapping[str, str]) -> Row:
    return {name: value.strip() for name, value in row.items()}


def _fault(row: Row, items: Mapping[str, Row] | None, seen: dict[tuple[str, ...], str], place: str) -> str | None:
    """What is wrong with a row, or None."""
    names = ("rater", "code") if items is not None else ("rater", "paper", "model")
    empty = next((name for name in names if not row[name]), None)
    if empty:
        return f"no {empty}"
    if items is not None and row["code"] not in items:
        return f"code {shorten(row['code'])} is not in the key"
    rated = tuple(row[name] for name in names)
    if rated in seen:
        return f"{', '.join(shorten(each, 40)[1:-1] for each in rated)} was already rated in {seen[rated]}"
    seen[rated] = place
    if row["score"] and _score(row["score"]) is None:
        return f"score {shorten(row['score'])} is no number from {LOWEST} to {HIGHEST}"
    return None


def _score(text: str) -> float | None:
    """A number on the scale, with a decimal point or comma; None if it is none."""
    score = float(text.replace(",", ".")) if SCORE.fullmatch(text) else HIGHEST + 1
    return score if LOWEST <= score <= HIGHEST else None


def _rating(row: Row, items: Mapping[str, Row] | None) -> dict[str, str | float | None]:
    known = row if items is None else {**items[row["code"]], "rater": row["rater"]}
    return {**{name: known.get(name, "") for name in COLUMNS}, "score": _score(row["score"])}
