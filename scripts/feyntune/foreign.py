"""Reading tables that were made elsewhere: CSV, parquet, or a dataset's folder as it came from the hub."""

from pathlib import Path

import pyarrow
import pyarrow.csv

from feyntune.abstracts import check_unique
from feyntune.data.importing import find_files
from feyntune.errors import FeynTuneError
from feyntune.files import read_table


def read_foreign(path, split, columns, optional=(), numbers=()):
    """Read ``id`` and other columns of a table from elsewhere.

    Args:
        path: a CSV or parquet file, or a folder with a dataset's files.
        split: which split of a folder with several.
        columns: what is needed besides ``id``.
        optional: what is taken where it is there.
        numbers: which of the columns are numbers; the others are texts.

    Returns:
        A pyarrow table; the ids are texts, each there once.

    Raises:
        FeynTuneError: no such file, another format, a column is missing, or an id is there twice.
    """
    types = {name: pyarrow.float64() if name in numbers else pyarrow.string() for name in (*columns, *optional)}
    types = {"id": pyarrow.string(), **types}
    parts = [_select(_read(file, types), types, optional, file) for file in _files(Path(path), split)]
    table = pyarrow.concat_tables(parts, promote_options="default")
    check_unique(table["id"].to_pylist(), path)
    return table


def _files(path, split):
    if not path.is_dir():
        return [path]
    found = find_files(path)
    if split not in found and len(found) > 1:
        raise FeynTuneError(f"{path}: no split {split!r}; it has {', '.join(found)}")
    return found.get(split) or next(iter(found.values()))


def _read(path, types):
    readers = {".csv": _read_csv, ".parquet": lambda path, types: read_table(path)}
    if path.suffix not in readers:
        raise FeynTuneError(f"{path}: tables from elsewhere come as .csv or .parquet, with {_told(types)}")
    return readers[path.suffix](path, types)


def _read_csv(path, types):
    try:
        return pyarrow.csv.read_csv(
            path,
            parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True),
            convert_options=pyarrow.csv.ConvertOptions(column_types=types),  # 0704.0010 is no number
        )
    except FileNotFoundError:
        raise FeynTuneError(f"{path}: no such file") from None
    except (pyarrow.ArrowInvalid, pyarrow.ArrowKeyError) as error:
        reason = str(error).splitlines()[0]
        raise FeynTuneError(f"{path}: not a CSV file with {_told(types)} ({reason})") from None


def _select(table, types, optional, path):
    missing = [name for name in types if name not in table.column_names and name not in optional]
    if missing:
        models = sorted(name for name in table.column_names if name.startswith(missing[0].split("_")[0]))
        raise FeynTuneError(
            f"{path}: no column {missing[0]!r} among {_told(types)}; it has {', '.join(models or table.column_names)}"
        )
    present = {name: kind for name, kind in types.items() if name in table.column_names}
    try:
        return table.select(list(present)).cast(pyarrow.schema(present))
    except (pyarrow.ArrowInvalid, pyarrow.ArrowNotImplementedError) as error:
        raise FeynTuneError(f"{path}: a column of another type than is wanted ({error})") from None


def _told(types):
    return "columns " + " and ".join(map(repr, types))
