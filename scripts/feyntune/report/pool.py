"""One tidy table of all runs: each run's rows, with the run's labels in front."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from feyntune.core.errors import FeynTuneError
from feyntune.core.files import (
    MADE_AGAIN,
    parquet_errors,
    read_json,
    read_table,
    reason,
    table_provenance,
    write_batches,
    write_table,
)
from feyntune.core.ids import check_unique
from feyntune.core.provenance import INAPPLICABLE, MISSING

if TYPE_CHECKING:
    import pyarrow

Labels = Mapping[str, str | None]
"""A run's labels: the keys ``LABELS``; None where something is not known."""
LABELS = ("set", "run", "model", "dataset", "layers")
"""Columns that every pooled table begins with."""

COLUMNS = {
    "completions": (
        "id", "prompt", "y_true", "prediction", "completion", "prompt_tokens", "new_tokens", "stopped",
    ),
    "perplexity": ("id", "tokens", "nll", "perplexity", "bits_per_byte"),
}  # fmt: skip
"""Columns of the stages' tables; every other kind is a metric's."""
TEXTS = ("id", "prompt", "y_true", "prediction", "completion", "stopped")
"""Columns of tables that hold texts."""
OPTIONAL = {"perplexity": ("min_k_pp",)}
"""Numbers by kind that not every configuration asks for."""


def pool_tables(
    columns: Sequence[str],
    inputs: Sequence[Path],
    runs: Sequence[Labels],
    output: Path,
    sets: Mapping[str, pyarrow.Array] | None = None,
    optional: Sequence[str] = (),
) -> None:
    """Write the tables of all runs as one, a row group for each run: no more than one run is ever in memory.

    Runs for which a metric could not be computed or cannot apply are listed in the metadata: dicts of ``set``, ``run``
    and ``reason``.

    Args:
        columns: the columns to take, ``id`` first.
        inputs: parquet files, one for each run.
        runs: the labels of each input.
        output: the parquet file to write.
        sets: by name, the ids of evaluation sets; rows of other abstracts are left out. None: take all rows.
        optional: numbers to take where a file has them, null where it has not; left out where no file has.

    Raises:
        FeynTuneError: a file lacks a column, has another type in it, or has an abstract twice.
    """
    present = {name for path in inputs for name in column_names(path)} if optional else set()
    columns = [*columns, *(name for name in optional if name in present)]
    records = [table_provenance(path) for path in inputs]
    listed = {
        key: [
            {"set": run["set"], "run": run["run"], "reason": record[key]}
            for run, record in zip(runs, records, strict=True)
            if record.get(key)
        ]
        for key in (MISSING, INAPPLICABLE)
    }
    schema = _labelled(inputs[0], columns, runs[0], sets, optional).schema
    tables = (
        _cast(_labelled(path, columns, run, sets, optional), schema, path)
        for path, run in zip(inputs, runs, strict=True)
    )
    write_batches(output, schema, tables, listed)


def pool_statistics(inputs: Sequence[Path], runs: Sequence[Labels], output: Path) -> None:
    """Write flat JSON files of numbers, one for each run, as the rows of one table; null where a run lacks a number."""
    import pyarrow

    rows = [{**_labels(run), **_statistics(path)} for path, run in zip(inputs, runs, strict=True)]
    names = list(dict.fromkeys(name for row in rows for name in row))
    complete = [{name: row.get(name) for name in names} for row in rows]
    labels = [pyarrow.field(name, pyarrow.string()) for name in LABELS]
    numbers = [pyarrow.field(name, pyarrow.float64()) for name in names[len(LABELS) :]]
    write_table(output, pyarrow.Table.from_pylist(complete, schema=pyarrow.schema([*labels, *numbers])))


def _statistics(path: Path) -> dict[str, float | None]:
    """The flat dict of numbers in a JSON file."""
    content = read_json(path)
    if not all(isinstance(value, int | float | None) for value in content.values()):
        raise FeynTuneError(f"{path}: not a flat object of numbers; {MADE_AGAIN}")
    return content


def _labels(run: Labels) -> dict[str, str | None]:
    return {name: run[name] for name in LABELS}


def _labelled(
    path: Path,
    columns: Sequence[str],
    run: Labels,
    sets: Mapping[str, pyarrow.Array] | None,
    optional: Sequence[str],
) -> pyarrow.Table:
    import pyarrow
    import pyarrow.compute as pc

    own = [name for name in columns if name not in optional or name in column_names(path)]
    table = read_table(path, own, texts=TEXTS).select(own).replace_schema_metadata(None)
    for name in (name for name in columns if name not in own):
        table = table.append_column(name, pyarrow.nulls(len(table), pyarrow.float64()))
    check_unique(table["id"].to_pylist(), path)
    if sets:
        table = table.filter(pc.is_in(table["id"], value_set=sets[str(run["set"])]))
    for position, name in enumerate(LABELS):
        column = pyarrow.repeat(pyarrow.scalar(run[name], pyarrow.string()), len(table))
        table = table.add_column(position, name, column)
    return table


def column_names(path: Path) -> list[str]:
    """Names of a parquet file's columns. Raises FeynTuneError if it cannot be read."""
    import pyarrow.parquet

    with parquet_errors(path):
        return list(pyarrow.parquet.read_schema(path).names)


def _cast(table: pyarrow.Table, schema: pyarrow.Schema, path: Path) -> pyarrow.Table:
    import pyarrow

    try:
        return table.cast(schema)
    except (pyarrow.ArrowInvalid, pyarrow.ArrowNotImplementedError) as error:
        raise FeynTuneError(
            f"{path}: its columns have other types than the first run's ({reason(error)}); {MADE_AGAIN}"
        ) from None
