"""Files with results that were computed elsewhere: CSV, parquet, or the folder of a dataset."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

import pyarrow
import pyarrow.compute as pc

from feyntune.core.columns import is_number, text_columns, typed_column
from feyntune.core.errors import FeynTuneError, listed, shorten
from feyntune.core.files import read_table
from feyntune.core.ids import check_unique
from feyntune.core.spreadsheets import check_columns, read_spreadsheet
from feyntune.data.imports import find_files

MISSING = frozenset({"", "NA", "N/A", "n/a", "#N/A", "NaN", "nan", "NULL", "null", "None"})
"""What stands for a missing number in CSV files."""


def read_imported(
    path: Path, split: str, columns: Sequence[str], optional: Sequence[str] = (), numbers: Collection[str] = ()
) -> pyarrow.Table:
    """Read ``id`` and other columns of a table.

    Args:
        path: a CSV or parquet file, or a folder with a dataset's files.
        split: which split of a folder with several.
        columns: required columns besides ``id``.
        optional: columns that are read if they exist.
        numbers: which of the columns are numbers; the others are texts.

    Returns:
        The columns, numbers in fp64, missing ones null; the ids are texts, each occurs once.

    Raises:
        FeynTuneError: no such file, another format, a column that is missing, there twice, empty or of another type, or
            an id that occurs twice.
    """
    needed = ("id", *columns)
    parts = [_read(file, needed, optional, numbers) for file in _files(path, split)]
    table = pyarrow.concat_tables(parts, promote_options="default")
    for name in table.column_names:
        if table[name].null_count == len(table):
            raise FeynTuneError(f"{path}: column {name!r} is empty; name a table that has values in it")
    if table["id"].null_count:
        raise FeynTuneError(f"{path}: {table['id'].null_count:,} rows have no id; give each row its abstract's")
    check_unique(table["id"].to_pylist(), path)
    return table


def _files(path: Path, split: str) -> list[Path]:
    if not path.is_dir():
        return [path]
    found = find_files(path)
    if split not in found and len(found) > 1:
        raise FeynTuneError(f"{path}: no split {split!r}; it has {listed(list(found))}; name the file itself")
    return found.get(split) or next(iter(found.values()))


def _read(path: Path, needed: Sequence[str], optional: Sequence[str], numbers: Collection[str]) -> pyarrow.Table:
    if path.suffix == ".parquet":
        return _read_parquet(path, needed, optional, numbers)
    if path.suffix == ".csv":
        return _read_csv(path, needed, optional, numbers)
    wanted = " and ".join(map(repr, needed))
    raise FeynTuneError(f"{path}: imported tables are .csv or .parquet files, with columns {wanted}; convert it")


def _read_parquet(
    path: Path, needed: Sequence[str], optional: Sequence[str], numbers: Collection[str]
) -> pyarrow.Table:
    table = read_table(path)
    present = table.column_names
    check_columns(path, present, needed, optional)
    table = text_columns(table, ["id"], path)  # numeric ids have lost their leading zeros
    names = [name for name in (*needed, *optional) if name in present]
    return pyarrow.table({name: _column(table, name, name in numbers, path) for name in names})


def _column(table: pyarrow.Table, name: str, numeric: bool, path: Path) -> pyarrow.ChunkedArray:
    """A column of texts or numbers; NaN is a missing number."""
    kind = table[name].type
    if not numeric:
        return typed_column(table, pyarrow.field(name, pyarrow.string()), path)
    if not is_number(kind) or pyarrow.types.is_boolean(kind):
        raise FeynTuneError(f"{path}: column {name!r} holds {kind}, not numbers; name another column")
    values = table[name].cast(pyarrow.float64())
    return pc.if_else(pc.is_nan(values), pyarrow.scalar(None, pyarrow.float64()), values)


def _read_csv(path: Path, needed: Sequence[str], optional: Sequence[str], numbers: Collection[str]) -> pyarrow.Table:
    sheet = read_spreadsheet(path, needed, optional)
    columns = {}
    for name in (each for each in (*needed, *optional) if each in sheet.columns):
        cells = [(number, row[name]) for number, row in sheet.rows]
        if name in numbers:
            values = [_number(text, sheet.delimiter, f"{path}: row {number}") for number, text in cells]
            columns[name] = pyarrow.array(values, pyarrow.float64())
        else:
            columns[name] = pyarrow.array([text for _, text in cells], pyarrow.string())
    return pyarrow.table(columns)


def _number(text: str, delimiter: str, place: str) -> float | None:
    """A number with a decimal point; also with a decimal comma, where that does not separate cells."""
    text = text.strip()
    if text in MISSING:
        return None
    plain = text.replace(",", ".") if delimiter != "," and text.count(",") == 1 and "." not in text else text
    try:
        if not plain.isascii() or "_" in plain:
            raise ValueError
        return float(plain)
    except ValueError:
        raise FeynTuneError(f"{place}: {shorten(text)} is no number; correct it") from None
