"""One tidy table of all runs: each run's rows, with the run's labels in front."""

from feyntune.core.errors import FeynTuneError
from feyntune.core.files import read_json, read_table, write_table, written_whole
from feyntune.core.ids import check_unique

LABELS = ("set", "run", "model", "dataset", "layers")
"""Columns that every pooled table begins with."""

SCORE_COLUMNS = ("id", "score", "score_continuation", "truncated")
COLUMNS = {
    "completions": (
        "id", "prompt", "y_true", "prediction", "completion", "prompt_tokens", "new_tokens", "stopped",
    ),
    "perplexity": ("id", "tokens", "nll", "perplexity", "bits_per_byte"),
}  # fmt: skip
"""Columns of the stages' tables; every other kind is a metric's."""


def pool_tables(kind, inputs, runs, output):
    """Write the tables of all runs as one, a row group a run: no more than one run is ever in memory.

    Args:
        kind: ``completions``, ``perplexity``, or the name of a metric.
        inputs: parquet files, one a run.
        runs: for each input a dict with the keys ``LABELS``; None where something is not known.
        output: the parquet file to write.

    Raises:
        FeynTuneError: a file lacks a column, has another type in it, or has an abstract twice.
    """
    import pyarrow.parquet

    columns = list(COLUMNS.get(kind, SCORE_COLUMNS))
    first = _labelled(inputs[0], columns, runs[0])
    with (
        written_whole(output) as aside,
        pyarrow.parquet.ParquetWriter(aside, first.schema, compression="zstd") as writer,
    ):
        writer.write_table(first)
        for path, run in zip(inputs[1:], runs[1:], strict=True):
            writer.write_table(_cast(_labelled(path, columns, run), first.schema, path))


def pool_statistics(inputs, runs, output):
    """Write flat JSON files of numbers, one a run, as the rows of one table; a number some run lacks is null."""
    import pyarrow

    rows = [{**_labels(run), **read_json(path)} for path, run in zip(inputs, runs, strict=True)]
    names = list(dict.fromkeys(name for row in rows for name in row))
    complete = [{name: row.get(name) for name in names} for row in rows]
    labels = [pyarrow.field(name, pyarrow.string()) for name in LABELS]
    numbers = [pyarrow.field(name, pyarrow.float64()) for name in names[len(LABELS) :]]
    write_table(output, pyarrow.Table.from_pylist(complete, schema=pyarrow.schema([*labels, *numbers])))


def _labels(run):
    return {name: run[name] for name in LABELS}


def _labelled(path, columns, run):
    import pyarrow

    table = read_table(path, columns=columns).select(columns).replace_schema_metadata(None)
    check_unique(table["id"].to_pylist(), path)
    for position, name in enumerate(LABELS):
        column = pyarrow.repeat(pyarrow.scalar(run[name], pyarrow.string()), len(table))
        table = table.add_column(position, name, column)
    return table


def _cast(table, schema, path):
    import pyarrow

    try:
        return table.cast(schema)
    except pyarrow.ArrowInvalid as error:
        raise FeynTuneError(f"{path}: other types of columns than the first run's ({error})") from None
