"""CSV files as people's programs save them: with commas, semicolons or tabs, in UTF-8, UTF-16 or, if safe, others.

Nothing is guessed: a file whose columns, values or letters could be read in two ways is refused in one line.
"""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from feyntune.core.errors import FeynTuneError, shorten
from feyntune.core.files import unreadable

DELIMITERS = ",;\t"
LARGEST = 10**8
"""Characters that a cell may have; a quotation mark that is never closed makes a very long one."""
SAVE_AGAIN = "save it as CSV UTF-8"

Row = dict[str, str]
"""A row by column."""


@dataclass(frozen=True)
class Spreadsheet:
    """The rows of a CSV file."""

    columns: list[str]
    rows: list[tuple[int, Row]]
    """With their numbers, as a spreadsheet counts: the header is row 1. Empty rows are left out."""
    delimiter: str


def read_spreadsheet(path: Path, needed: Sequence[str], optional: Sequence[str] = ()) -> Spreadsheet:
    """Read a CSV file.

    Args:
        path: the file.
        needed: columns that it must have.
        optional: further columns that are read.

    Raises:
        FeynTuneError: no such file; neither UTF-8 nor UTF-16, and letters outside ASCII in these columns; a column that
            is missing or there twice; or a row with more cells than columns.
    """
    text, is_known = _decoded(path)
    delimiter, first = _dialect(path, text, needed)
    csv.field_size_limit(LARGEST)
    reader = csv.reader(io.StringIO(text[first:], newline=""), delimiter=delimiter)
    with unreadable(path, "not a CSV file", csv.Error, remedy=SAVE_AGAIN):
        columns = _header(next(reader, []))
        check_columns(path, columns, needed, optional)
        rows = []
        for number, cells in enumerate(reader, start=2):
            if any(cell.strip() for cell in cells):
                rows.append((number, _row(path, number, columns, cells)))
    wanted = [name for name in (*needed, *optional) if name in columns]
    if not is_known and not all(row[name].isascii() for _, row in rows for name in wanted):
        raise FeynTuneError(f"{path}: not UTF-8, so that its letters are uncertain; {SAVE_AGAIN}")
    return Spreadsheet(columns, rows, delimiter)


def _decoded(path: Path) -> tuple[str, bool]:
    """The text of a file, and whether its encoding is known; else only ASCII in it may be used."""
    with unreadable(path, "cannot be read", remedy="check the path"):
        content = path.read_bytes()
    encoding = "utf-16" if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"
    try:
        text, is_known = content.decode(encoding), True
    except UnicodeDecodeError:
        if encoding == "utf-16":
            raise FeynTuneError(f"{path}: not valid UTF-16; {SAVE_AGAIN}") from None
        text, is_known = content.decode("latin-1"), False  # as are all encodings of Windows for ASCII
    if "\0" in text:
        raise FeynTuneError(f"{path}: it holds NUL characters, so it is no text in UTF-8; {SAVE_AGAIN}")
    if not text.strip():
        raise FeynTuneError(f"{path}: empty file; name another one")
    return text, is_known


def _dialect(path: Path, text: str, needed: Sequence[str]) -> tuple[str, int]:
    """The delimiter, and where the header begins: Excel may write ``sep=;`` in front of it."""
    line = text.splitlines()[0]
    first = 0
    if line.lower().startswith("sep=") and len(line) == 5:
        first = len(line) + (2 if text[len(line) :].startswith("\r\n") else 1)
        return line[4], first
    headers = {delimiter: _header(next(csv.reader([line], delimiter=delimiter), [])) for delimiter in DELIMITERS}
    complete = [delimiter for delimiter, names in headers.items() if set(needed) <= set(names)]
    return (complete or sorted(DELIMITERS, key=line.count, reverse=True))[0], first


def _header(cells: Sequence[str]) -> list[str]:
    return [cell.strip() for cell in cells]


def check_columns(path: Path, columns: Sequence[str], needed: Sequence[str], optional: Sequence[str]) -> None:
    """Raise FeynTuneError if a table lacks a needed column, or has two of the same name among those that are read.

    Args:
        path: file of the table.
        columns: names of its columns.
        needed: columns that it must have.
        optional: further columns that are read.
    """
    missing = [name for name in needed if name not in columns]
    if missing:
        raise _missing_column(path, missing[0], needed, columns)
    twice = [name for name in (*needed, *optional) if columns.count(name) > 1]
    if twice:
        raise FeynTuneError(f"{path}: two columns are called {twice[0]!r}; rename or remove one")


def _missing_column(path: Path, name: str, needed: Sequence[str], present: Sequence[str]) -> FeynTuneError:
    """The error that a table lacks a column; it lists columns that begin alike, or else the first ones."""
    wanted = " and ".join(map(repr, needed[:3])) + (" and more" if len(needed) > 3 else "")
    similar = sorted(each for each in present if each.startswith(name.split("_")[0]))
    return FeynTuneError(f"{path}: no column {name!r} among columns {wanted}; it has {_some(similar or present)}")


def _some(columns: Sequence[str], length: int = 80) -> str:
    text = ", ".join(shorten(name)[1:-1] for name in columns)
    return text if len(text) <= length else f"{text[: length - 1]}…"


def _row(path: Path, number: int, columns: Sequence[str], cells: Sequence[str]) -> Row:
    if any(cell.strip() for cell in cells[len(columns) :]):
        raise FeynTuneError(
            f"{path}: row {number}: {len(cells)} cells for {len(columns)} columns; put texts into quotation marks"
        )
    padded = [*cells, *[""] * (len(columns) - len(cells))]
    return dict(zip(columns, padded, strict=False))
