"""The files of `tables.py` and `figures.py`, read again: a damaged one must not end in the report or on a card."""

from __future__ import annotations

import xml.etree.ElementTree
from pathlib import Path
from typing import TYPE_CHECKING

from feyntune.core.errors import FeynTuneError, shorten
from feyntune.core.files import MADE_AGAIN, reason, unreadable
from feyntune.report.outputs import TABLES

if TYPE_CHECKING:
    import pandas

TEXTS = (
    "set", "run", "model", "dataset", "layers", "marks", "against", "quantity", "title", "better", "description",
    "known", "unseen",
)  # fmt: skip
"""Columns of the tables in ``outputs.TABLES`` that hold texts, which may look like numbers; all others hold numbers."""


def read_exact_table(folder: Path, name: str) -> pandas.DataFrame:
    """A table with every digit, from its CSV file; the HTML file must have as many rows.

    Raises:
        FeynTuneError: a file is missing or damaged.
    """
    import pandas

    path = folder / f"{name}.csv"
    with unreadable(path, "not a table", ValueError):  # as are pandas' own errors
        table = pandas.read_csv(path)
    check_rows(folder, name, len(table))
    if name in TABLES:
        _check_numbers(path, table)
    return table


def _check_numbers(path: Path, table: pandas.DataFrame) -> None:
    """Raise FeynTuneError if a column of numbers has a text in it, such as a number with a damaged digit."""
    import pandas

    for name in table.columns.difference(TEXTS):
        texts = table[name].dropna()
        wrong = texts[pandas.to_numeric(texts, errors="coerce").isna()]
        if len(wrong):
            raise FeynTuneError(wrong_number(path, name, wrong.iloc[0]))


def wrong_number(path: Path, column: str, value: object) -> str:
    """The line that says that a column of numbers has something else in it."""
    return f"{path}: {shorten(value, 40)} among the numbers of column {shorten(column, 40)}; {MADE_AGAIN}"


def check_rows(folder: Path, name: str, count: int) -> None:
    """Raise FeynTuneError if the CSV file of a table, of ``count`` rows, is cut, or the HTML file has other rows."""
    _read(folder / f"{name}.csv", end="\n")
    rows = read_html(folder, name).count("<tr>") - 1
    if count != rows:
        raise FeynTuneError(f"{folder / f'{name}.csv'}: {count:,} rows, and {rows:,} in {name}.html; {MADE_AGAIN}")


def read_html(folder: Path, name: str) -> str:
    """A table as HTML. Raises FeynTuneError if the file is missing or damaged."""
    return _read(folder / f"{name}.html", end="</tbody></table>\n")


def read_caption(folder: Path, name: str) -> str:
    """The caption of a table, from its LaTeX file. Raises FeynTuneError if the file is missing or damaged."""
    return _read(folder / f"{name}.tex", end="\\end{tabular}\n").splitlines()[0].removeprefix("% ")


def read_drawing(folder: Path, name: str) -> bytes:
    """A figure as SVG; its PNG file must be whole too.

    Raises:
        FeynTuneError: a file is missing or damaged.
    """
    path = folder / f"{name}.svg"
    with unreadable(path, "not an SVG file", SyntaxError):  # as are errors of the XML parser
        content = path.read_bytes()
        xml.etree.ElementTree.fromstring(content)
    _check_picture(folder / f"{name}.png")
    return content


def _check_picture(path: Path) -> None:
    from PIL import Image

    try:
        with Image.open(path) as picture:
            picture.load()
    except FileNotFoundError:
        raise FeynTuneError(f"{path}: no such file; run again") from None
    except (OSError, SyntaxError, ValueError) as error:
        raise FeynTuneError(f"{path}: not a PNG file ({reason(error)}); {MADE_AGAIN}") from None


def _read(path: Path, end: str) -> str:
    """A text that must have this end and no NUL characters, which a lost block of a disk leaves."""
    with unreadable(path, "not a text in UTF-8", UnicodeDecodeError):
        text = path.read_text(encoding="utf-8")
    if not text.endswith(end) or "\0" in text:
        raise FeynTuneError(f"{path}: not whole; {MADE_AGAIN}")
    return text
