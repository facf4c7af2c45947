"""Results that were computed elsewhere, as the tables that our own programs would have written."""

from pathlib import Path

import pyarrow
import pyarrow.csv

from feyntune.core.errors import FeynTuneError
from feyntune.core.files import read_table
from feyntune.core.ids import check_unique, examples
from feyntune.data.imports import find_files
from feyntune.hub.reference_tables import model_columns, wide_completions
from feyntune.report.pool import COLUMNS, SCORE_COLUMNS


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


UNKNOWN = {
    "tokens": pyarrow.int64,
    "nll": pyarrow.float64,
    "bits_per_byte": pyarrow.float64,
    "score_continuation": pyarrow.float64,
    "truncated": pyarrow.bool_,
}
"""What a wide table does not tell, and its type."""


def read_completions(path, split="test", model=None):
    """Read completions from elsewhere; an empty cell is an empty completion.

    Args:
        path: a CSV or parquet file, or the folder of a dataset.
        split: which split of such a folder.
        model: the model of a wide table whose columns are taken; None: columns ``id`` and ``completion``.

    Returns:
        Dict from id to (prompt, text); the prompt is None where the table has none.

    Raises:
        FeynTuneError: see ``read_foreign``.
    """
    if model is None:
        table = read_foreign(path, split, ["completion"])
        prompts, texts = [None] * len(table), [text or "" for text in table["completion"].to_pylist()]
    else:
        names = model_columns("completions", model)
        table = read_foreign(path, split, ["prompt", names["completion"]], [names["prediction"]])
        prompts, texts = table["prompt"].to_pylist(), wide_completions(table, model)
    return dict(zip(table["id"].to_pylist(), zip(prompts, texts, strict=True), strict=True))


def read_values(path, kind, split="test", model=None):
    """Read a number for each abstract from elsewhere, as a dict by id.

    Args:
        path, split, model: as for ``read_completions``.
        kind: ``perplexity``, or the name of a metric.
    """
    (ours, name), *_ = model_columns(kind, model).items()
    name = ours if model is None else name
    table = read_foreign(path, split, [name], numbers=[name])
    return dict(zip(table["id"].to_pylist(), table[name].to_pylist(), strict=True))


def match_rows(rows, ids, known, place):
    """What a table from elsewhere has for the abstracts ``ids``, in that order.

    Args:
        rows: dict by id.
        ids: the evaluation set.
        known: all ids of its dataset: rows of abstracts beyond the set's limit are passed over.
        place: where they come from, for messages.

    Raises:
        FeynTuneError: an abstract has no row, or a row no abstract.
    """
    missing = [name for name in ids if name not in rows]
    if missing:
        raise FeynTuneError(f"{place}: no row for {examples(missing)}; the evaluation set has {len(ids):,}")
    unknown = sorted(set(rows) - set(known))
    if unknown:
        raise FeynTuneError(f"{place}: rows for {examples(unknown)}, which the dataset does not have")
    return [rows[name] for name in ids]


def check_prompts(ids, prompts, halves, place):
    """Raise FeynTuneError if completions were made from other prompts than ours: they would complete another text.

    Args:
        ids: names of the abstracts.
        prompts: what was completed; None where that is not told.
        halves: our (prompt, y_true).
        place: where they come from, for messages.
    """
    pairs = zip(ids, prompts, halves, strict=True)
    other = [name for name, prompt, (ours, _) in pairs if prompt is not None and prompt.split() != ours.split()]
    if other:
        raise FeynTuneError(f"{place}: another prompt than ours for {examples(other)}; it is of other abstracts")


def imported_table(ids, halves, texts):
    """The tidy table of completions from elsewhere.

    Args:
        ids: names of the abstracts.
        halves: their (prompt, y_true).
        texts: what was written: a continuation, or the prompt repeated and a continuation.

    Returns:
        A pyarrow table as of ``continuations.completion_table``; how many tokens there were is not known, and null.
    """
    predictions = [_behind(prompt, text) for (prompt, _), text in zip(halves, texts, strict=True)]
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


def _behind(prompt, text):
    """What stands behind the prompt, if the text repeats it; else the text, set off by a space."""
    text = text.lstrip()
    if text.startswith(prompt):
        return text[len(prompt) :]
    return f" {text}" if text else ""


def imported_values(kind, ids, values):
    """The tidy table of numbers from elsewhere; what is not known is null.

    Args:
        kind: ``perplexity``, or the name of a metric.
        ids: names of the abstracts.
        values: a number for each, or None.
    """
    numbers = pyarrow.array(values, pyarrow.float64())
    nothing = {name: pyarrow.nulls(len(ids), type()) for name, type in UNKNOWN.items()}
    known = {"id": pyarrow.array(ids, pyarrow.string()), "perplexity": numbers, "score": numbers}
    return pyarrow.table({name: known.get(name, nothing.get(name)) for name in COLUMNS.get(kind, SCORE_COLUMNS)})
