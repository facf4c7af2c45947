"""Complete an evaluation set with an engine: rows from prompts, rows on disk, the table of completions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from feyntune.config.schema.generation import CompletionStage, Generation
from feyntune.core.cli import Progress, say
from feyntune.core.errors import FeynTuneError
from feyntune.core.files import write_table
from feyntune.core.ids import examples
from feyntune.core.locks import locked
from feyntune.core.shards import Shards
from feyntune.data.prompts import split_abstract
from feyntune.evaluation.abstracts import read_abstracts
from feyntune.evaluation.generation.engine import Engine, Row, stream_key
from feyntune.evaluation.record import evaluation_record, job_fingerprint, kept_results
from feyntune.models.memory import out_of_memory_remedy
from feyntune.models.tokenizer import encode
from feyntune.models.tokens import ModelTokens, load_tokens

if TYPE_CHECKING:
    import pyarrow
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True)
class CompletionJob:
    """Completions of one evaluation set by one run's model."""

    stage: CompletionStage
    base: Path
    """Folder of the base model."""
    adapter: Path | None
    """Folder of a PEFT adapter; None for the base model alone."""
    dataset: Path
    """Parquet file with the abstracts."""
    shards: Path
    """Folder for unfinished work."""
    output: Path
    """Parquet file to write."""
    code: str
    """Fingerprint of the program's code."""
    kept: Path | None = None
    """Folder in which finished completions of this job are kept; None: they are not kept."""
    memory: float | None = None
    """Bytes that it may use on a CPU; None: half of the machine's."""


LoadEngine = Callable[[CompletionJob, ModelTokens, Sequence[Row]], Engine]
"""Loads the model of a job and returns the engine; the rows are all of the job's, of which some may be finished."""


def run(job: CompletionJob, load_engine: LoadEngine) -> None:
    """Complete the evaluation set and write the table; resume from the shards of a killed job.

    Args:
        job: the job.
        load_engine: ``load_engine`` of an engine's module.

    Raises:
        FeynTuneError: an input is not valid, or memory is not sufficient; what is finished is kept.
    """
    stage = job.stage
    kept = kept_results(job.kept, job.code, stage, job.base, job.adapter, job.dataset)
    if kept and kept.restore([job.output]):
        return
    remedy = (
        f"lower generation.batch_size (now {stage.generation.batch_size}) or max_new_tokens,"
        " or on a CPU raise resources.complete.mem_mb"
    )
    with locked(job.shards), out_of_memory_remedy("completing", remedy):
        ids, texts = read_abstracts(job.dataset, "abstract", stage.limit)
        halves = [split_abstract(text) for text in texts]
        tokens = load_tokens(job.base)
        rows, counts = make_rows(tokens, stage, ids, [prompt for prompt, _ in halves])
        prompts = [row.prompt for row in rows]
        shards = Shards(job.shards, job_fingerprint(job.code, stage, job.base, job.adapter, prompts))
        waiting = resume(rows, shards.read())
        engine = load_engine(job, tokens, rows)
        _complete(engine, rows, waiting, shards)
        table = completion_table(tokens.tokenizer, rows, halves)
        write_table(job.output, table, evaluation_record(tokens.tokenizer, stage, **engine.record(), **counts))
        if kept:
            kept.keep([job.output])
        shards.remove()


def _complete(engine: Engine, rows: Sequence[Row], waiting: Sequence[Row], shards: Shards) -> None:
    with Progress("complete", len(rows), "abstracts") as progress:
        progress.advance(len(rows) - len(waiting))

        def save(finished: Sequence[Row], unfinished: Sequence[Row]) -> None:
            shards.append(shard_table([*finished, *unfinished]))
            progress.advance(len(finished))

        engine.complete(waiting, save)


def make_rows(
    tokens: ModelTokens, stage: CompletionStage, ids: Sequence[str], prompts: Sequence[str]
) -> tuple[list[Row], dict[str, int]]:
    """Encode prompts as rows, longest first, each limited to the new tokens that fit into the model's context.

    Args:
        tokens: the model's tokenizer and context length.
        stage: settings of the job.
        ids: ids of the abstracts.
        prompts: their first halves.

    Returns:
        The rows; and a dict of counts: ``truncated`` prompts, and rows ``capped`` below ``max_new_tokens``.

    Raises:
        FeynTuneError: a prompt fills the model's context, and ``too_long`` is ``refuse``.
    """
    settings = stage.generation
    sequences = encode(tokens.tokenizer, prompts, eos=False)
    context = tokens.context or max(map(len, sequences)) + settings.max_new_tokens
    full = [name for name, sequence in zip(ids, sequences, strict=True) if len(sequence) >= context]
    if full and settings.too_long == "refuse":
        raise FeynTuneError(
            f"{len(full)} prompts fill the model's {context} tokens: {examples(full)};"
            " set generation.too_long: truncate to continue their last tokens"
        )
    rows = []
    for index, (name, sequence) in enumerate(zip(ids, sequences, strict=True)):
        prompt = sequence if len(sequence) < context else _shortened(tokens.tokenizer, sequence, context // 2)
        limit = min(settings.max_new_tokens, context - len(prompt))
        rows.append(Row(index, name, stream_key(stage.seed, stage.run, name), prompt, limit))
    counts = _say_counts(rows, settings, len(full), context)
    return sorted(rows, key=lambda row: -len(row.prompt)), counts


def _shortened(tokenizer: PreTrainedTokenizerBase, sequence: list[int], length: int) -> list[int]:
    """The last tokens of a sequence, after its BOS."""
    front = 0 if tokenizer.bos_token_id is None else 1
    return sequence[:front] + sequence[len(sequence) - length + front :]


def _say_counts(rows: Sequence[Row], settings: Generation, truncated: int, context: int) -> dict[str, int]:
    capped = sum(row.max_new_tokens < settings.max_new_tokens for row in rows)
    if truncated:
        say(f"{truncated:,} of {len(rows):,} prompts fill the model's {context} tokens: their beginnings are cut off")
    if capped:
        say(f"{capped:,} of {len(rows):,} completions are limited to fewer than max_new_tokens by the model's context")
    return {"truncated": truncated, "capped": capped}


def shard_table(rows: Sequence[Row]) -> pyarrow.Table:
    """Rows as a table ``index, new_ids, stopped``, from which ``resume`` continues."""
    import pyarrow

    return pyarrow.table(
        {
            "index": pyarrow.array([row.index for row in rows], pyarrow.int64()),
            "new_ids": pyarrow.array([row.new_ids for row in rows], pyarrow.list_(pyarrow.int32())),
            "stopped": pyarrow.array([row.stopped for row in rows], pyarrow.string()),
        }
    )


def resume(rows: Sequence[Row], tables: Sequence[pyarrow.Table]) -> list[Row]:
    """Restore rows from the tables of an earlier process.

    Args:
        rows: from ``make_rows``; changed in place.
        tables: results of ``shard_table``, in the order in which they were saved.

    Returns:
        The rows that are not finished, in the order in which that process would have continued.
    """
    by_index = {row.index: row for row in rows}
    begun: dict[int, Row] = {}
    for saved in (row for table in tables for row in table.to_pylist()):
        row = by_index[saved["index"]]
        row.new_ids, row.stopped = saved["new_ids"], saved["stopped"]
        begun.pop(row.index, None)
        begun[row.index] = row
    return [row for row in [*begun.values(), *(row for row in rows if row.index not in begun)] if not row.stopped]


def completion_table(
    tokenizer: PreTrainedTokenizerBase, rows: Sequence[Row], halves: Sequence[tuple[str, str]]
) -> pyarrow.Table:
    """The tidy table of completions, in the order of the evaluation set.

    Args:
        tokenizer: the model's tokenizer.
        rows: finished rows.
        halves: (prompt, y_true) of every abstract.

    Returns:
        A table ``id, prompt, y_true, prediction, completion, prompt_tokens, new_tokens, stopped``.
    """
    import pyarrow

    rows = sorted(rows, key=lambda row: row.index)
    prompts, rests = zip(*halves, strict=True)
    predictions = [continuation_text(tokenizer, row.new_ids) for row in rows]
    return pyarrow.table(
        {
            "id": [row.name for row in rows],
            "prompt": prompts,
            "y_true": rests,
            "prediction": predictions,
            "completion": [prompt + prediction for prompt, prediction in zip(prompts, predictions, strict=True)],
            "prompt_tokens": [len(row.prompt) for row in rows],
            "new_tokens": [len(row.new_ids) for row in rows],
            "stopped": [row.stopped for row in rows],
        }
    )


def continuation_text(tokenizer: PreTrainedTokenizerBase, new_ids: list[int]) -> str:
    """The text of tokens that continue other tokens.

    Some tokenizers drop a space at the beginning of what they decode. So a full stop is put before the tokens, and its
    known text is removed from the result.
    """
    stop = tokenizer.encode(".", add_special_tokens=False)
    options = {"skip_special_tokens": True, "clean_up_tokenization_spaces": False}
    text = cast("str", tokenizer.decode(stop + new_ids, **options))
    return text[len(tokenizer.decode(stop, **options)) :]
