"""What goes into completion and what comes out of it: rows from prompts, rows on disk, the table of texts."""

import pyarrow

from feyntune.core.cli import say
from feyntune.core.errors import FeynTuneError
from feyntune.core.ids import examples
from feyntune.evaluation.generation.sampling import stream_key
from feyntune.evaluation.generation.transformers_engine import Row
from feyntune.models.tokenizer import encode


def make_rows(model, stage, ids, prompts):
    """Encode prompts as rows, longest first, each with as much room as the model's context leaves it.

    Args:
        model: an ``evaluated.EvaluatedModel``.
        stage: ``settings.completion.CompletionStage``.
        ids: names of the abstracts.
        prompts: their first halves.

    Returns:
        The rows; and a dict of counts: ``truncated`` prompts, and rows that are ``capped`` below ``max_new_tokens``.

    Raises:
        FeynTuneError: a prompt fills the model's context, and ``too_long`` is ``refuse``.
    """
    settings = stage.generation
    sequences = encode(model.tokenizer, prompts, eos=False)
    context = model.context or max(map(len, sequences)) + settings.max_new_tokens
    full = [name for name, sequence in zip(ids, sequences, strict=True) if len(sequence) >= context]
    if full and settings.too_long == "refuse":
        raise FeynTuneError(
            f"{len(full)} prompts fill the model's {context} tokens: {examples(full)};"
            " set generation.too_long: truncate to go on from their last tokens"
        )
    rows = []
    for index, (name, sequence) in enumerate(zip(ids, sequences, strict=True)):
        prompt = sequence if len(sequence) < context else _shortened(model.tokenizer, sequence, context // 2)
        room = min(settings.max_new_tokens, context - len(prompt))
        rows.append(Row(index, name, stream_key(stage.seed, stage.run, name), prompt, room))
    capped = sum(row.room < settings.max_new_tokens for row in rows)
    _say_counts(len(rows), len(full), capped, context)
    return sorted(rows, key=lambda row: -len(row.prompt)), {"truncated": len(full), "capped": capped}


def _shortened(tokenizer, sequence, length):
    """The last tokens of a sequence, its BOS kept."""
    front = 0 if tokenizer.bos_token_id is None else 1
    return sequence[:front] + sequence[len(sequence) - length + front :]


def _say_counts(rows, truncated, capped, context):
    if truncated:
        say(f"{truncated:,} of {rows:,} prompts fill the model's {context} tokens: their beginnings are cut off")
    if capped:
        say(f"{capped:,} of {rows:,} completions have less room than max_new_tokens in the model's {context} tokens")


def shard_table(rows):
    """Rows as a table ``index, drawn, stopped``, from which ``resume`` goes on."""
    return pyarrow.table(
        {
            "index": pyarrow.array([row.index for row in rows], pyarrow.int64()),
            "drawn": pyarrow.array([row.drawn for row in rows], pyarrow.list_(pyarrow.int32())),
            "stopped": pyarrow.array([row.stopped for row in rows], pyarrow.string()),
        }
    )


def resume(rows, tables):
    """Bring rows to where the tables of an earlier process left them.

    Args:
        rows: from ``make_rows``; changed in place.
        tables: ``shard_table``s in the order in which they were saved.

    Returns:
        The rows that are not finished, in the order in which that process would have gone on.
    """
    by_index = {row.index: row for row in rows}
    begun = {}
    for saved in (row for table in tables for row in table.to_pylist()):
        row = by_index[saved["index"]]
        row.drawn, row.stopped = saved["drawn"], saved["stopped"]
        begun.pop(row.index, None)
        begun[row.index] = row
    return [row for row in [*begun.values(), *(row for row in rows if row.index not in begun)] if not row.stopped]


def completion_table(tokenizer, rows, halves):
    """The tidy table of completions, in the order of the evaluation set.

    Args:
        tokenizer: the model's.
        rows: finished rows.
        halves: (prompt, y_true) of every abstract.

    Returns:
        A pyarrow table ``id, prompt, y_true, prediction, completion, prompt_tokens, new_tokens, stopped``.
    """
    rows = sorted(rows, key=lambda row: row.index)
    prompts, rests = zip(*halves, strict=True)
    predictions = [continuation_text(tokenizer, row.drawn) for row in rows]
    return pyarrow.table(
        {
            "id": [row.name for row in rows],
            "prompt": prompts,
            "y_true": rests,
            "prediction": predictions,
            "completion": [prompt + prediction for prompt, prediction in zip(prompts, predictions, strict=True)],
            "prompt_tokens": [len(row.prompt) for row in rows],
            "new_tokens": [len(row.drawn) for row in rows],
            "stopped": [row.stopped for row in rows],
        }
    )


def continuation_text(tokenizer, drawn):
    """The text of tokens that go on from others.

    Some tokenizers drop a space at the beginning of what they decode. So the tokens are decoded behind a full stop,
    whose text, known beforehand, is taken off again.
    """
    stop = tokenizer.encode(".", add_special_tokens=False)
    options = {"skip_special_tokens": True, "clean_up_tokenization_spaces": False}
    return tokenizer.decode(stop + drawn, **options)[len(tokenizer.decode(stop, **options)) :]
