"""Results that were computed elsewhere, as the tables that our own programs would have written."""

import pyarrow

from feyntune.abstracts import examples
from feyntune.errors import FeynTuneError
from feyntune.foreign import read_foreign
from feyntune.report.pool import COLUMNS, SCORE_COLUMNS
from feyntune.wide import model_columns, wide_completions

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
        kind: ``perplexity``, or the name of a scorer.
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
        kind: ``perplexity``, or the name of a scorer.
        ids: names of the abstracts.
        values: a number for each, or None.
    """
    numbers = pyarrow.array(values, pyarrow.float64())
    nothing = {name: pyarrow.nulls(len(ids), type()) for name, type in UNKNOWN.items()}
    known = {"id": pyarrow.array(ids, pyarrow.string()), "perplexity": numbers, "score": numbers}
    return pyarrow.table({name: known.get(name, nothing.get(name)) for name in COLUMNS.get(kind, SCORE_COLUMNS)})
