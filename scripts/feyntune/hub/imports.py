"""Results that were computed elsewhere, as the tables that our own programs write."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import pyarrow

from feyntune.config.schema.imports import ImportStage
from feyntune.core.bounds import first_outside, range_text
from feyntune.core.cli import say
from feyntune.core.errors import FeynTuneError
from feyntune.core.files import write_table
from feyntune.core.ids import examples, match_ids
from feyntune.core.provenance import provenance
from feyntune.data.prompts import split_abstract
from feyntune.evaluation.abstracts import read_abstracts
from feyntune.evaluation.metrics import ReportedMetric, file_columns
from feyntune.hub.imported_files import read_imported
from feyntune.hub.reference_tables import model_columns, reference_completions
from feyntune.report.pool import COLUMNS

Halves = Sequence[tuple[str, str]]
"""The (prompt, y_true) of each abstract."""
Row = TypeVar("Row")
PERPLEXITY: Mapping[str, tuple[float | None, float | None]] = {"perplexity": (1, None)}
"""Bounds of imported perplexities."""


@dataclass(frozen=True)
class ImportJob:
    """A table of results to import for a run and an evaluation set."""

    table: Path
    """CSV or parquet file, or folder of a dataset."""
    dataset: Path
    """Parquet file with the abstracts."""
    stage: ImportStage
    output: Path
    """Parquet file to write."""


def import_completions(job: ImportJob) -> None:
    """Write the completions of a run.

    Raises:
        FeynTuneError: the table cannot be read, or it is not of these abstracts.
    """
    known, texts = read_abstracts(job.dataset, "abstract", None)
    ids, halves = known[: job.stage.limit], [split_abstract(text) for text in texts[: job.stage.limit]]
    completions = read_completions(job.table, job.stage.split, job.stage.model)
    prompts, matched = zip(*match_rows(completions, ids, known, job.table), strict=True)
    check_prompts(ids, prompts, halves, job.table)
    table = imported_table(ids, halves, matched)
    empty = sum(not text.strip() for text in table["prediction"].to_pylist())
    say(f"{len(ids):,} completions, {empty:,} of them empty")
    write_table(job.output, table, {**provenance(), "settings": job.stage.model_dump(mode="json"), "empty": empty})


def import_values(job: ImportJob, kind: str) -> None:
    """Write the perplexities (``kind`` is ``perplexity``) or the values of a metric (its name) of a run.

    Raises:
        FeynTuneError: the table cannot be read, it is not of these abstracts, or a number is out of its range.
    """
    known, _ = read_abstracts(job.dataset, "abstract", None)
    ids = known[: job.stage.limit]
    read = read_values(job.table, kind, job.stage.split, job.stage.model, job.stage.metric)
    rows = match_rows(read, ids, known, job.table)
    check_values(ids, rows, job.stage.metric, job.table)
    missing = sum(None in row.values() for row in rows)
    say(f"{len(ids):,} values of {kind}, {missing:,} of them missing")
    record = {**provenance(), "settings": job.stage.model_dump(mode="json"), "missing": missing}
    write_table(job.output, imported_values(kind, ids, rows, job.stage.metric), record)


def read_completions(path: Path, split: str = "test", model: str | None = None) -> dict[str, tuple[str | None, str]]:
    """Read completions; an empty cell is an empty completion.

    Args:
        path: a CSV or parquet file, or the folder of a dataset.
        split: which split of such a folder.
        model: the model of a reference table whose columns are read; None: columns ``id`` and ``completion``.

    Returns:
        (prompt, text) by id; the prompt is None if the table has none.

    Raises:
        FeynTuneError: see ``read_imported``.
    """
    if model is None:
        table = read_imported(path, split, ["completion"])
        prompts, texts = [None] * len(table), [text or "" for text in table["completion"].to_pylist()]
    else:
        names = model_columns("completions", model)
        table = read_imported(path, split, ["prompt", names["completion"]], [names["prediction"]])
        prompts, texts = table["prompt"].to_pylist(), reference_completions(table, model)
    return dict(zip(table["id"].to_pylist(), zip(prompts, texts, strict=True), strict=True))


def read_values(
    path: Path, kind: str, split: str = "test", model: str | None = None, metric: ReportedMetric | None = None
) -> dict[str, dict[str, float | None]]:
    """Read numbers for each abstract, by id and column of ours.

    Args:
        path, split, model: as for ``read_completions``.
        kind: ``perplexity``, or the name of a metric.
        metric: the metric of that name; the table has one of its columns at least.
    """
    if model is not None:
        names = model_columns(kind, model, metric)
    else:
        names = {column.name: column.name for column in metric.columns} if metric else {kind: kind}
    first, *others = names.values()
    table = read_imported(path, split, [], [first, *others], numbers=list(names.values()))
    if table.num_columns == 1:  # only the ids: the error names what is missing
        table = read_imported(path, split, [first], others, numbers=list(names.values()))
    columns = {ours: table[name].to_pylist() for ours, name in names.items() if name in table.column_names}
    rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    return dict(zip(table["id"].to_pylist(), rows, strict=True))


def match_rows(rows: Mapping[str, Row], ids: Sequence[str], known: Sequence[str], place: Path | str) -> list[Row]:
    """The rows of an imported table for the abstracts ``ids``, in that order.

    Args:
        rows: the table's rows by id.
        ids: the evaluation set.
        known: all ids of its dataset: rows of abstracts beyond the set's limit are ignored.
        place: where the rows come from, for messages.

    Raises:
        FeynTuneError: an abstract has no row, or a row no abstract.
    """
    match_ids(ids, list(rows), place, known)
    return [rows[name] for name in ids]


def check_values(
    ids: Sequence[str], rows: Sequence[Mapping[str, float | None]], metric: ReportedMetric | None, place: Path | str
) -> None:
    """Check that imported numbers can be what they are said to be.

    Args:
        ids: ids of the abstracts.
        rows: for each its numbers by column.
        metric: the metric whose columns they are; None for perplexities, which are at least 1.
        place: where the rows come from, for messages.

    Raises:
        FeynTuneError: a number is not finite, or outside its column's bounds.
    """
    bounds = {column.name: (column.lowest, column.highest) for column in metric.columns} if metric else PERPLEXITY
    for name in rows[0] if rows else ():
        low, high = bounds[name]
        wrong = first_outside((row[name] for row in rows), low, high)
        if wrong is not None:
            raise FeynTuneError(
                f"{place}: {name} of {examples([ids[wrong]])} is {rows[wrong][name]:g}, not in {range_text(low, high)};"
                " name the column that holds it, or correct it"
            )


def check_prompts(ids: Sequence[str], prompts: Sequence[str | None], halves: Halves, place: Path | str) -> None:
    """Check that completions were made from our prompts.

    Args:
        ids: ids of the abstracts.
        prompts: the prompt of each completion; None where the table has none.
        halves: our halves of the abstracts.
        place: where the completions come from, for messages.

    Raises:
        FeynTuneError: a completion was made from another prompt.
    """
    pairs = zip(ids, prompts, halves, strict=True)
    other = [name for name, prompt, (ours, _) in pairs if prompt is not None and prompt.split() != ours.split()]
    if other:
        raise FeynTuneError(f"{place}: another prompt than ours for {examples(other)}; it is of another dataset")


def imported_table(ids: Sequence[str], halves: Halves, texts: Sequence[str]) -> pyarrow.Table:
    """The tidy table of imported completions.

    Args:
        ids: ids of the abstracts.
        halves: their halves.
        texts: the completions: a continuation, or the prompt and a continuation.

    Returns:
        A table as of ``completions.completion_table``; numbers of tokens and reasons to stop are not known, and null.
    """
    predictions = [_prediction(prompt, text) for (prompt, _), text in zip(halves, texts, strict=True)]
    unknown = pyarrow.nulls(len(ids), pyarrow.int64())
    return pyarrow.table(
        {
            "id": pyarrow.array(ids, pyarrow.string()),
            "prompt": [prompt for prompt, _ in halves],
            "y_true": [rest for _, rest in halves],
            "prediction": predictions,
            "completion": [prompt + prediction for (prompt, _), prediction in zip(halves, predictions, strict=True)],
            "prompt_tokens": unknown,
            "new_tokens": unknown,
            "stopped": pyarrow.nulls(len(ids), pyarrow.string()),
        }
    )


def _prediction(prompt: str, text: str) -> str:
    """The part after the prompt if the text repeats it; else the text, after a space."""
    text = text.lstrip()
    if text.startswith(prompt):
        return text[len(prompt) :]
    return f" {text}" if text else ""


def imported_values(
    kind: str, ids: Sequence[str], rows: Sequence[Mapping[str, float | None]], metric: ReportedMetric | None = None
) -> pyarrow.Table:
    """The tidy table of imported numbers; columns that are not known are null.

    Args:
        kind: ``perplexity``, or the name of a metric.
        ids: ids of the abstracts.
        rows: for each its numbers by column.
        metric: the metric of that name.
    """
    columns = file_columns(metric) if metric else COLUMNS[kind]
    types = {"id": pyarrow.string(), "tokens": pyarrow.int64(), "truncated": pyarrow.bool_()}
    types |= dict.fromkeys(metric.details if metric else (), pyarrow.string())
    known = {"id": ids, **{name: [row[name] for row in rows] for name in (rows[0] if rows else ())}}
    return pyarrow.table(
        {
            name: pyarrow.array(known.get(name, [None] * len(ids)), types.get(name, pyarrow.float64()))
            for name in columns
        }
    )
