"""Completions of prompts, many side by side, in which no finished row waits for the others.

``generate`` runs in legs. A leg ends when an eighth of its rows have finished; these leave, prompts that still wait
take their places, and the next leg goes on from the others' keys and values. After every ``shard_rows`` finished rows
the tokens drawn so far are saved and the batch is built anew from them: so a job that was killed goes on exactly as one
that was not, to the last bit.
"""

from collections import deque
from dataclasses import dataclass, field

import torch
from transformers import (
    GenerationConfig,
    LogitsProcessorList,
    StoppingCriteria,
    StoppingCriteriaList,
)

from feyntune.evaluation.generation.kv_cache import empty_cache, joined_caches
from feyntune.evaluation.generation.sampling import GumbelMax, NoEndBefore, Watch, warpers

LEAVE_TOGETHER = 8
"""A leg ends when one in so many rows has finished: sooner costs copies of the cache, later costs idle rows."""


@dataclass
class Row:
    """A prompt, and what has been drawn for it."""

    index: int
    """Its place in the evaluation set."""
    name: str
    """Its id."""
    key: int
    """Key of its stream of random numbers."""
    prompt: list[int]
    """Token ids, BOS in front."""
    room: int
    """Most new tokens."""
    drawn: list[int] = field(default_factory=list)
    """Token ids of the continuation so far, EOS left out."""
    stopped: str | None = None
    """``eos`` or ``length``; None while it grows."""

    def __len__(self):
        return len(self.prompt) + len(self.drawn)

    def take(self, tokens, ends):
        """Add new tokens, up to an end-of-sequence token or the end of the room."""
        for token in tokens:
            if token in ends:
                self.stopped = "eos"
                return
            self.drawn.append(token)
            if len(self.drawn) == self.room:
                self.stopped = "length"
                return


class Completer:
    """Completes rows by one model under one set of settings.

    Args:
        model: an ``evaluated.EvaluatedModel``.
        settings: ``settings.completion.Generation``.
    """

    def __init__(self, model, settings):
        self.causal, self.settings = model.causal, settings
        self.ends, self.pad_id = model.ends, model.tokenizer.pad_token_id
        # Whatever the model's folder recommends, only this project's settings count.
        self.causal.generation_config = GenerationConfig()

    def complete(self, waiting, save):
        """Complete all rows.

        Args:
            waiting: rows in the order in which they are begun.
            save: called with (finished rows, rows that still grow) after every ``shard_rows`` finished rows and at the
                end; the next process may go on from the growing rows, followed by those that were not begun.
        """
        waiting = deque(waiting)
        while waiting:
            finished, growing = self._until_save(waiting)
            waiting.extendleft(reversed(growing))
            save(finished, growing)

    def _until_save(self, waiting):
        """Take rows from ``waiting`` and complete them until it is time to save; returns those finished and growing."""
        rows, cache, finished = [], None, []
        while waiting or rows:
            places = self.settings.batch_size - len(rows)
            fresh = [waiting.popleft() for _ in range(min(places, len(waiting)))]
            parts = [(rows, cache)] if rows else []
            if fresh:
                parts.append((fresh, self._leg(fresh, empty_cache(), most=1)))
            finished += [row for row in fresh if row.stopped]
            rows, cache = _assembled(parts)
            if rows:
                cache = self._leg(rows, cache, most=max(row.room - len(row.drawn) for row in rows))
            finished += [row for row in rows if row.stopped]
            if len(finished) >= self.settings.shard_rows:
                break
        return finished, [row for row in rows if not row.stopped]

    def _leg(self, rows, cache, most):
        """Let rows grow by at most ``most`` tokens, until enough have finished; returns the cache that goes on."""
        sequences = [row.prompt + row.drawn for row in rows]
        width = max(map(len, sequences))
        padding = torch.tensor([width - len(sequence) for sequence in sequences])
        tokens = torch.tensor([[self.pad_id] * (width - len(sequence)) + sequence for sequence in sequences])
        mask = (torch.arange(width) >= padding[:, None]).long()
        device = self.causal.device
        output = self.causal.generate(
            tokens.to(device),
            attention_mask=mask.to(device),
            past_key_values=cache,
            generation_config=self._configuration(most),
            logits_processor=self._processors(rows, padding.to(device)),
            stopping_criteria=StoppingCriteriaList([_LegEnd(rows, width, self.ends, device)]),
        )
        for row, new in zip(rows, output.sequences[:, width:].tolist(), strict=True):
            row.take(new, self.ends)
        return output.past_key_values

    def _configuration(self, most):
        return GenerationConfig(
            max_new_tokens=most,
            do_sample=False,
            eos_token_id=self.ends,
            pad_token_id=self.pad_id,
            return_dict_in_generate=True,
        )

    def _processors(self, rows, padding):
        device = padding.device
        least = self.settings.min_new_tokens
        first_ends = [lead + len(row.prompt) + least for lead, row in zip(padding.tolist(), rows, strict=True)]
        chosen = LogitsProcessorList([Watch([row.name for row in rows]), NoEndBefore(self.ends, first_ends)])
        if self.settings.temperature > 0:
            keys = torch.tensor([row.key for row in rows], device=device)
            chosen += [*warpers(self.settings), GumbelMax(keys, padding)]
        return chosen


class _LegEnd(StoppingCriteria):
    """Ends rows that have no room left, and all rows when enough of them have finished."""

    def __init__(self, rows, width, ends, device):
        self.width, self.ends = width, torch.tensor(ends, device=device)
        self.room = torch.tensor([row.room - len(row.drawn) for row in rows], device=device)
        self.enough = max(1, len(rows) // LEAVE_TOGETHER)

    def __call__(self, input_ids, scores, **kwargs):
        """Which rows end here."""
        new = input_ids[:, self.width :]
        finished = torch.isin(new, self.ends).any(dim=1) | (new.shape[1] >= self.room)
        return finished | (finished.sum() >= self.enough)


def _assembled(parts):
    """The unfinished rows of several batches as one batch.

    Args:
        parts: pairs of rows and their cache, which holds keys and values of every token of a row but the last.

    Returns:
        Rows and their cache.
    """
    growing = [row for rows, _ in parts for row in rows if not row.stopped]
    if not growing:
        return [], None
    kept = [(cache, [place for place, row in enumerate(rows) if not row.stopped]) for rows, cache in parts]
    return growing, joined_caches(kept, max(map(len, growing)) - 1)
