"""Files with results that were computed elsewhere: CSV, parquet, or the folder of a dataset."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

import pyarrow
import pyarrow.csv

from feyntune.core.errors import FeynTuneError
from feyntune.core.files import read_table
from feyntune.core.ids import check_unique
from feyntune.data.imports import find_files

Types = Mapping[str, pyarrow.DataType]
"""Types of columns by name."""


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
        The columns; the ids are texts, each occurs once.

    Raises:
        FeynTuneError: no such file, another format, a missing column, or an id that occurs twice.
    """
    types = {name: pyarrow.float64() if name in numbers else pyarrow.string() for name in (*columns, *optional)}
    types = {"id": pyarrow.string(), **types}
    parts = [_select(_read(file, types), types, optional, file) for file in _files(path, split)]
    table = pyarrow.concat_tables(parts, promote_options="default")
    check_unique(table["id"].to_pylist(), path)
    return table


def _files(path: Path, split: str) -> list[Path]:
    if not path.is_dir():
        return [path]
    found = find_files(path)
    if split not in found and len(found) > 1:
        raise FeynTuneError(f"{path}: no split {split!r}; it has {', '.join(found)}")
    return found.get(split) or next(iter(found.values()))


def _read(path: Path, types: Types) -> pyarrow.Table:
    if path.suffix == ".parquet":
        return read_table(path)
    if path.suffix == ".csv":
        return _read_csv(path, types)
    raise FeynTuneError(f"{path}: imported tables are .csv or .parquet files, with {_wanted(types)}")


def _read_csv(path: Path, types: Types) -> pyarrow.Table:
    try:
        return pyarrow.csv.read_csv(
            path,
            parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True),
            convert_options=pyarrow.csv.ConvertOptions(column_types=types),  # 0704.0010 is not a number
        )
    except FileNotFoundError:
        raise FeynTuneError(f"{path}: no such file") from None
    except (pyarrow.ArrowInvalid, pyarrow.ArrowKeyError) as error:
        reason = str(error).splitlines()[0]
        raise FeynTuneError(f"{path}: not a CSV file with {_wanted(types)} ({reason})") from None


def _select(table: pyarrow.Table, types: Types, optional: Sequence[str], path: Path) -> pyarrow.Table:
    missing = [name for name in types if name not in table.column_names and name not in optional]
    if missing:
        similar = sorted(name for name in table.column_names if name.startswith(missing[0].split("_")[0]))
        names = ", ".join(similar or table.column_names)
        raise FeynTuneError(f"{path}: no column {missing[0]!r} among {_wanted(types)}; it has {names}")
    present = {name: kind for name, kind in types.items() if name in table.column_names}
    try:
        return table.select(list(present)).cast(pyarrow.schema(present))
    except (pyarrow.ArrowInvalid, pyarrow.ArrowNotImplementedError) as error:
        raise FeynTuneError(f"{path}: a column of another type than is wanted ({error})") from None


def _wanted(names: Iterable[str]) -> str:
    return "columns " + " and ".join(map(repr, names))
