"""Files that are either complete or absent: every result is written beside its path, flushed to disk, then renamed."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from feyntune.core.errors import FeynTuneError, listed, printable
from feyntune.core.system_errors import REFUSED, writing

if TYPE_CHECKING:
    import pyarrow
    import pyarrow.compute
    import pyarrow.parquet


@contextlib.contextmanager
def written_whole(path: str | Path) -> Iterator[Path]:
    """Give a temporary path beside ``path``; rename it to ``path`` if the block succeeds, else remove it.

    The name keeps the suffix of ``path``, by which some libraries choose a format.

    Raises:
        FeynTuneError: the disk is full, or the system refuses the path.
    """
    path = Path(path)
    aside = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield aside
            flush_to_disk(aside)
            os.replace(aside, path)
        finally:
            aside.unlink(missing_ok=True)


@contextlib.contextmanager
def folder_written_whole(folder: str | Path) -> Iterator[Path]:
    """Give an empty folder beside ``folder``; if the block succeeds, move its files into ``folder``.

    Weights are moved last, so that a folder that has weights has all of its files.

    Raises:
        FeynTuneError: the disk is full, or the system refuses the folder.
    """
    folder = Path(folder)
    aside = folder.with_name(f".{folder.name}.{os.getpid()}")
    with writing(folder):
        shutil.rmtree(aside, ignore_errors=True)
        try:
            aside.mkdir(parents=True)
            yield aside
            _move_files(aside, folder)
        finally:
            shutil.rmtree(aside, ignore_errors=True)


def _move_files(aside: Path, folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    for file in sorted(aside.rglob("*"), key=lambda file: file.suffix == ".safetensors"):
        if file.is_file():
            flush_to_disk(file)
            target = folder / file.relative_to(aside)
            target.parent.mkdir(parents=True, exist_ok=True)
            os.replace(file, target)


def flush_to_disk(path: str | Path) -> None:
    """Wait until the content of a file is on the disk, so that a power cut cannot lose it."""
    with open(path, "rb") as file:
        os.fsync(file.fileno())


def write_text(path: str | Path, text: str) -> None:
    """Write ``text`` to ``path``, completely or not at all."""
    with written_whole(path) as aside:
        aside.write_text(text, encoding="utf-8")


def write_json(path: str | Path, content: Any) -> None:
    """Write ``content`` as indented JSON, completely or not at all; NaN is refused, because JSON has none."""
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: str | Path) -> dict[str, Any]:
    """Read a file that holds one JSON object.

    Raises FeynTuneError with its path if it is missing, not JSON, or another value than an object.
    """
    with unreadable(path, "not valid JSON", ValueError, RecursionError):
        content = json.loads(Path(path).read_text(encoding="utf-8"), parse_constant=_constant)
    if not isinstance(content, dict):
        raise FeynTuneError(f"{path}: not a JSON object; {MADE_AGAIN}")
    return content


def _constant(name: str) -> float:
    """The numbers that Python's JSON has besides JSON's: models have infinite limits, but nothing is NaN."""
    if name == "NaN":
        raise ValueError("NaN in it")
    return float(name)


MADE_AGAIN = "if this workflow made it, delete it and run again"
"""The remedy for a damaged file that may be a result, which can be made again, or a file of the user's."""


@contextlib.contextmanager
def unreadable(path: str | Path, fault: str, *errors: type[Exception], remedy: str = MADE_AGAIN) -> Iterator[None]:
    """Turn what libraries raise while the block reads a file into a FeynTuneError with its path.

    Args:
        path: the file.
        fault: what is wrong with a file that they cannot read, such as ``not valid JSON``.
        errors: what they raise besides OSError.
        remedy: what to do about it.
    """
    others: tuple[type[Exception], ...] = (OSError, *errors)
    try:
        yield
    except FeynTuneError:
        raise
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError, PermissionError) as error:
        faults = {
            FileNotFoundError: "no such file; check the path",
            PermissionError: "not readable; check its permissions",
        }
        raise FeynTuneError(f"{path}: {faults.get(type(error), 'not a file; check the path')}") from None
    except others as error:
        if isinstance(error, OSError) and error.errno in REFUSED:  # what the disk refuses is no fault of the file
            raise FeynTuneError(f"{path}: {REFUSED[error.errno]}") from None
        raise FeynTuneError(f"{path}: {fault} ({reason(error)}); {remedy}") from None


def reason(error: Exception, length: int = 50) -> str:
    """The first line of an error's text, for a message of one line."""
    line = printable((str(error).strip() or type(error).__name__).splitlines()[0])
    return line if len(line) <= length else f"{line[: length - 1]}…"


PARQUET: dict[str, Any] = {"compression": "zstd", "write_page_checksum": True}
"""How parquet files are written. Without checksums most damage inside a column would be read as other values."""


def write_table(path: str | Path, table: pyarrow.Table, provenance: dict[str, Any] | None = None) -> None:
    """Write a pyarrow table as parquet, completely or not at all; see ``write_batches``."""
    write_batches(path, table.schema, [table], provenance)


def write_batches(
    path: str | Path,
    schema: pyarrow.Schema,
    batches: Iterable[pyarrow.Table],
    provenance: dict[str, Any] | None = None,
) -> None:
    """Write pyarrow tables of one schema as one parquet file, completely or not at all.

    ``provenance`` (JSON) goes into the file's metadata under the key ``feyntune``. The bytes depend only on the
    content: no time and no machine is recorded.
    """
    import pyarrow.parquet

    if provenance is not None:
        metadata = json.dumps(provenance, sort_keys=True).encode()
        schema = schema.with_metadata({**(schema.metadata or {}), b"feyntune": metadata})
    with written_whole(path) as aside, pyarrow.parquet.ParquetWriter(aside, schema, **PARQUET) as writer:
        for batch in batches:
            writer.write_table(batch)


def read_table(
    path: str | Path,
    columns: Sequence[str] | None = None,
    filters: pyarrow.compute.Expression | list | None = None,
    texts: Iterable[str] = (),
) -> pyarrow.Table:
    """Read a parquet file as a pyarrow table.

    Args:
        path: the file.
        columns: the columns that are read; None: all.
        filters: selects rows, as for pyarrow.
        texts: columns that hold texts, where the file has them.

    Raises:
        FeynTuneError: the file is missing, is not parquet, lacks one of ``columns`` or has two of them, or one of
            ``texts`` holds something else.
    """
    from feyntune.core.columns import text_columns

    return text_columns(_read_columns(path, columns, filters), texts, path)


def _read_columns(
    path: str | Path, columns: Sequence[str] | None, filters: pyarrow.compute.Expression | list | None
) -> pyarrow.Table:
    import pyarrow.parquet

    with parquet_errors(path):
        with open_parquet(path) as file:
            present = file.schema_arrow.names
            missing = [name for name in columns or [] if name not in present]
            if missing:
                raise FeynTuneError(f"{path}: no column {missing[0]!r}; it has {listed(present)}; check the path")
            twice = [name for name in columns or [] if present.count(name) > 1]
            if twice:
                raise FeynTuneError(f"{path}: two columns are called {twice[0]!r}; rename or remove one")
            if filters is None:  # pyarrow's read_table needs 0.2 s to import what it might use
                table = file.read(columns)
                return table.select(columns) if columns else table
        return pyarrow.parquet.read_table(path, columns=columns, filters=filters, page_checksum_verification=True)


def open_parquet(path: str | Path) -> pyarrow.parquet.ParquetFile:
    """Open a parquet file whose checksums, where it has any, are verified; use ``parquet_errors`` around it."""
    import pyarrow.parquet

    return pyarrow.parquet.ParquetFile(path, page_checksum_verification=True)


def row_count(path: str | Path) -> int:
    """Number of rows of a parquet file, without reading them. Raises FeynTuneError like ``read_table``."""
    import pyarrow.parquet

    with parquet_errors(path):
        return pyarrow.parquet.read_metadata(path).num_rows


@contextlib.contextmanager
def parquet_errors(path: str | Path) -> Iterator[None]:
    """Turn what pyarrow raises while the block reads a parquet file into a FeynTuneError with its path."""
    import pyarrow

    if Path(path).is_dir():  # pyarrow would read every file in it
        raise FeynTuneError(f"{path}: not a file; check the path")
    # A damaged name of a column is not UTF-8.
    with unreadable(path, "not a readable parquet file", pyarrow.ArrowException, UnicodeDecodeError):
        yield


def table_provenance(path: str | Path) -> dict[str, Any]:
    """The provenance that ``write_table`` put into a parquet file, or an empty dict; no rows are read.

    Raises FeynTuneError like ``read_table``.
    """
    import pyarrow.parquet

    with parquet_errors(path):
        metadata = pyarrow.parquet.read_schema(path).metadata or {}
    with unreadable(path, "its metadata is not valid", ValueError):
        return json.loads(metadata.get(b"feyntune", b"{}"))
