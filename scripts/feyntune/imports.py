"""Completions that were made elsewhere, as the table that ``complete.py`` would have written."""

from pathlib import Path

import pyarrow
import pyarrow.csv

from feyntune.abstracts import check_unique, examples
from feyntune.errors import FeynTuneError
from feyntune.files import read_table


def read_completions(path):
    """Read columns ``id`` and ``completion`` of a CSV or parquet file as a dict; an empty cell is an empty completion.

    Raises:
        FeynTuneError: no such file, another format, a column is missing, or an id is there twice.
    """
    readers = {".csv": _read_csv, ".parquet": lambda path: read_table(path, columns=["id", "completion"])}
    reader = readers.get(Path(path).suffix)
    if reader is None:
        raise FeynTuneError(f"{path}: completions come as .csv or .parquet, with columns 'id' and 'completion'")
    table = reader(path)
    ids = [str(name) for name in table["id"].to_pylist()]
    check_unique(ids, path)
    return dict(zip(ids, [text or "" for text in table["completion"].to_pylist()], strict=True))


def _read_csv(path):
    text = dict.fromkeys(("id", "completion"), pyarrow.string())  # 0704.0010 is no number
    try:
        return pyarrow.csv.read_csv(
            path,
            parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True),
            convert_options=pyarrow.csv.ConvertOptions(column_types=text, include_columns=list(text)),
        )
    except FileNotFoundError:
        raise FeynTuneError(f"{path}: no such file") from None
    except (pyarrow.ArrowInvalid, pyarrow.ArrowKeyError) as error:
        reason = str(error).splitlines()[0]
        raise FeynTuneError(f"{path}: not a CSV file with columns 'id' and 'completion' ({reason})") from None


def match_completions(completions, ids, known, place):
    """The completions of the abstracts ``ids``, in that order.

    Args:
        completions: dict of ``read_completions``.
        ids: the evaluation set.
        known: all ids of its dataset: completions of abstracts beyond the set's limit are passed over.
        place: where they come from, for messages.

    Raises:
        FeynTuneError: an abstract has no completion, or a completion no abstract.
    """
    missing = [name for name in ids if name not in completions]
    if missing:
        raise FeynTuneError(f"{place}: no completion of {examples(missing)}; the evaluation set has {len(ids):,}")
    unknown = sorted(set(completions) - set(known))
    if unknown:
        raise FeynTuneError(f"{place}: completions of {examples(unknown)}, which the dataset does not have")
    return [completions[name] for name in ids]


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
