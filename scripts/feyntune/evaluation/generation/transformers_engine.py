"""The built-in engine: ``generate`` of transformers on many rows at a time, without idle rows.

``generate`` runs in segments. A segment ends when an eighth of its rows have finished. Finished rows are removed,
waiting rows take their places, and the next segment continues from the KV cache of the others. After every
``shard_rows`` finished rows the tokens so far are saved, and the batch is rebuilt from them. So a killed job continues
exactly as one that was not killed, to the last bit.

On a CPU the weights are packed for few rows (``packed_linear``), and attention reads less padding
(``grouped_attention``), for which rows are sorted by length.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from transformers import GenerationConfig, LogitsProcessorList, StoppingCriteria, StoppingCriteriaList

from feyntune.core.provenance import device_name
from feyntune.evaluation.generation.batching import choose_rows
from feyntune.evaluation.generation.completions import CompletionJob
from feyntune.evaluation.generation.engine import Row, SaveCallback
from feyntune.evaluation.generation.grouped_attention import attending, groups_of, use_groups
from feyntune.evaluation.generation.kv_cache import empty_cache, join_caches
from feyntune.evaluation.generation.packed_linear import pack_linears
from feyntune.evaluation.generation.sampling import GumbelMax, MinNewTokens, NanCheck, distribution_processors
from feyntune.evaluation.model import EvaluatedModel, load_evaluated
from feyntune.models.tokens import ModelTokens

if TYPE_CHECKING:
    from transformers import Cache

    from feyntune.config.schema.generation import Generation

ROWS_PER_FINISHED = 8
"""A segment ends when one in so many rows has finished. Lower values leave finished rows idle for longer; higher values
copy the KV cache more often."""


def load_engine(job: CompletionJob, tokens: ModelTokens, rows: Sequence[Row]) -> TransformersEngine:
    """Load the model of a job into the built-in engine; ``rows`` are all of the job's."""
    model = load_evaluated(job.base, job.adapter, job.stage, decoding=True)
    prepare_model(model)
    batch = choose_rows(model.causal.config, job.stage, rows, model.causal.device, job.memory)
    return TransformersEngine(model, job.stage.generation, batch)


def prepare_model(model: EvaluatedModel) -> None:
    """Make a model decode faster on a CPU, and unfit for anything else; changes nothing on a GPU."""
    pack_linears(model.causal)
    use_groups(model.causal)


class TransformersEngine:
    """An ``Engine`` on a model of transformers.

    Args:
        model: the model.
        settings: generation settings.
        batch: rows that it completes in parallel.
    """

    def __init__(self, model: EvaluatedModel, settings: Generation, batch: int) -> None:
        self.causal, self.settings, self.batch = model.causal, settings, batch
        self.eos_ids, self.pad_id = model.tokens.eos_ids, model.tokens.tokenizer.pad_token_id
        # The generation settings in the model's folder must not apply, only those of this project.
        self.causal.generation_config = GenerationConfig()

    def record(self) -> dict[str, str]:
        """The engine's name and device; its versions are among those of all libraries."""
        return {"engine": "transformers", "device": device_name(self.causal.device)}

    def complete(self, waiting: Sequence[Row], save: SaveCallback) -> None:
        """Complete all rows; ``save`` is called after every ``shard_rows`` finished rows and at the end."""
        queue = deque(waiting)
        while queue:
            finished, unfinished = self._until_save(queue)
            queue.extendleft(reversed(unfinished))
            save(finished, unfinished)

    def _until_save(self, queue: deque[Row]) -> tuple[list[Row], list[Row]]:
        """Complete rows from ``queue`` until it is time to save; returns finished and unfinished rows."""
        rows: list[Row] = []
        cache, finished = empty_cache(), []
        while queue or rows:
            # Until ``_assemble`` returns, two caches exist; after it, only the joined one may be referenced.
            rows, cache, new = self._with_new_rows(rows, cache, queue)
            finished += [row for row in new if row.stopped]
            if rows:
                most = max(row.max_new_tokens - len(row.new_ids) for row in rows)
                cache = self._segment(rows, cache, most)
            finished += [row for row in rows if row.stopped]
            if len(finished) >= self.settings.shard_rows:
                break
        return finished, [row for row in rows if not row.stopped]

    def _with_new_rows(self, rows: list[Row], cache: Cache, queue: deque[Row]) -> tuple[list[Row], Cache, list[Row]]:
        """Replace finished rows by rows from the queue, of which the first token is sampled.

        Returns:
            The unfinished rows, their cache, and the rows from the queue, of which some may have finished.
        """
        free = self.batch - len(rows)
        new = [queue.popleft() for _ in range(min(free, len(queue)))]
        parts = [(rows, cache)] if rows else []
        if new:
            parts.append((new, self._segment(new, empty_cache(), most=1)))
        return *_assemble(parts), new

    def _segment(self, rows: list[Row], cache: Cache, most: int) -> Cache:
        """Extend rows by at most ``most`` tokens, until enough have finished; returns the extended cache."""
        sequences = [row.prompt + row.new_ids for row in rows]
        width = max(map(len, sequences))
        padding = torch.tensor([width - len(sequence) for sequence in sequences])
        tokens = torch.tensor([[self.pad_id] * (width - len(sequence)) + sequence for sequence in sequences])
        mask = (torch.arange(width) >= padding[:, None]).long()
        device = self.causal.device
        with attending(groups_of(padding.tolist())):
            output = self.causal.generate(  # type: ignore[operator]  # a method of every causal model, not of its base
                tokens.to(device),
                attention_mask=mask.to(device),
                past_key_values=cache,
                generation_config=self._configuration(most),
                logits_processor=self.logits_processors(rows, padding.to(device)),
                stopping_criteria=StoppingCriteriaList([_SegmentEnd(rows, width, self.eos_ids, device)]),
            )
        for row, new in zip(rows, output.sequences[:, width:].tolist(), strict=True):
            row.append(new, self.eos_ids)
        return output.past_key_values

    def _configuration(self, most: int) -> GenerationConfig:
        return GenerationConfig(
            max_new_tokens=most,
            do_sample=False,
            eos_token_id=self.eos_ids,
            pad_token_id=self.pad_id,
            return_dict_in_generate=True,
        )

    def logits_processors(self, rows: Sequence[Row], padding: torch.Tensor) -> LogitsProcessorList:
        """What is done to the logits of rows so that the most likely token is a sample.

        Args:
            rows: the rows of a batch.
            padding: int64 number of padding tokens before each row.
        """
        minimum = self.settings.min_new_tokens
        first_widths = [lead + len(row.prompt) + minimum for lead, row in zip(padding.tolist(), rows, strict=True)]
        chosen = LogitsProcessorList([NanCheck([row.name for row in rows]), MinNewTokens(self.eos_ids, first_widths)])
        if self.settings.temperature > 0:
            keys = torch.tensor([row.key for row in rows], device=padding.device)
            chosen += [*distribution_processors(self.settings), GumbelMax(keys, padding)]
        return chosen


class _SegmentEnd(StoppingCriteria):
    """Ends rows that have reached their limit, and all rows when enough of them have finished."""

    def __init__(self, rows: Sequence[Row], width: int, eos_ids: Sequence[int], device: torch.device) -> None:
        self.width, self.eos_ids = width, torch.tensor(eos_ids, device=device)
        self.limits = torch.tensor([row.max_new_tokens - len(row.new_ids) for row in rows], device=device)
        self.enough = max(1, len(rows) // ROWS_PER_FINISHED)

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor, **kwargs: object) -> torch.Tensor:
        """Which rows end here."""
        new = input_ids[:, self.width :]
        finished = torch.isin(new, self.eos_ids).any(dim=1) | (new.shape[1] >= self.limits)
        return finished | (finished.sum() >= self.enough)


def _assemble(parts: Sequence[tuple[list[Row], Cache]]) -> tuple[list[Row], Cache]:
    """Join the unfinished rows of several batches into one batch, longest first.

    Args:
        parts: pairs of rows and their cache, which contains every token of a row except the last. The caches are
            emptied.

    Returns:
        Rows and their cache.
    """
    kept = [(row, cache, index) for rows, cache in parts for index, row in enumerate(rows) if not row.stopped]
    if not kept:
        return [], empty_cache()
    kept.sort(key=lambda each: -len(each[0]))
    unfinished = [row for row, _, _ in kept]
    return unfinished, join_caches([(cache, index) for _, cache, index in kept], [len(row) - 1 for row in unfinished])
