"""Columns of tables with the type that they must have: a number or a list where texts are expected is one line."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from feyntune.core.errors import FeynTuneError

if TYPE_CHECKING:
    import pyarrow


def text_columns(table: pyarrow.Table, names: Iterable[str], path: str | Path) -> pyarrow.Table:
    """A table in which these columns, where it has them, are texts in UTF-8.

    Raises:
        FeynTuneError: one holds something else; ``path`` is the table's file.
    """
    import pyarrow

    for name in (name for name in names if name in table.column_names):
        kind = table[name].type
        values = kind.value_type if pyarrow.types.is_dictionary(kind) else kind
        if len(table) and not _is_text(values):  # without rows, a type was never known
            raise _wrong_type(name, kind, "string", path)
        field = pyarrow.field(name, pyarrow.string())
        table = table.set_column(table.column_names.index(name), field, typed_column(table, field, path))
    return table


def check_numbers(table: pyarrow.Table, names: Iterable[str], path: str | Path) -> None:
    """Raise FeynTuneError if a column holds anything but finite numbers, and nulls or NaN for missing ones."""
    import pyarrow
    import pyarrow.compute as pc

    for name in names:
        column = table[name]
        if not is_number(column.type):
            raise _wrong_type(name, column.type, "numbers", path)
        if pyarrow.types.is_floating(column.type) and pc.any(pc.is_inf(column)).as_py():
            raise FeynTuneError(f"{path}: column {name!r} holds infinite numbers; compute them again")


def is_number(kind: pyarrow.DataType) -> bool:
    """Whether a column of this type holds numbers, or truth values, or only nulls."""
    from pyarrow import types

    return any(
        test(kind) for test in (types.is_integer, types.is_floating, types.is_decimal, types.is_boolean, types.is_null)
    )


def typed_column(table: pyarrow.Table, field: pyarrow.Field, path: str | Path) -> pyarrow.ChunkedArray:
    """A column, cast to the expected type; bytes are no texts.

    Raises:
        FeynTuneError: the column is of another type, or not valid UTF-8.
    """
    import pyarrow

    column = table[field.name]
    if _is_binary(column.type):
        raise _wrong_type(field.name, column.type, field.type, path)
    try:
        typed = column.cast(field.type)
    except (pyarrow.ArrowInvalid, pyarrow.ArrowNotImplementedError):
        raise _wrong_type(field.name, column.type, field.type, path) from None
    try:
        typed.validate(full=True)
    except pyarrow.ArrowInvalid:
        raise FeynTuneError(f"{path}: column {field.name!r} is not valid UTF-8; convert the file to UTF-8") from None
    return typed


def _wrong_type(name: str, kind: object, expected: object, path: str | Path) -> FeynTuneError:
    return FeynTuneError(f"{path}: column {name!r} holds {str(kind)[:40]}, not {expected}; convert it")


def _is_text(kind: pyarrow.DataType) -> bool:
    from pyarrow import types

    return types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind)


def _is_binary(kind: pyarrow.DataType) -> bool:
    from pyarrow import types

    return types.is_binary(kind) or types.is_large_binary(kind) or types.is_fixed_size_binary(kind)
