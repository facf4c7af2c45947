"""The interface of a generation engine: what it completes, and how it reports results.

An engine takes rows (prompts as token ids, each with a key for its random numbers and its own limit of new tokens) and
appends ``new_ids`` to each of them until the row stops. It calls ``save`` from time to time, so that a killed job
resumes from the rows that were saved. A row's text depends on the model, the settings, its prompt and its key, and
never on the other rows; see CONTRIBUTING for the tests that an engine must pass.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

StopReason = Literal["eos", "length"]


@dataclass
class Row:
    """A prompt and its continuation so far."""

    index: int
    """Position of the abstract in the evaluation set."""
    name: str
    """Id of the abstract."""
    key: int
    """Key of its random numbers, a signed 64-bit integer; see ``stream_key``."""
    prompt: list[int]
    """Token ids, starting with BOS."""
    max_new_tokens: int
    """Limit of this row: that of the settings, or less where the context ends."""
    new_ids: list[int] = field(default_factory=list)
    """Token ids of the continuation, without the end token."""
    stopped: StopReason | None = None
    """Why the continuation ended; None while it grows."""

    def __len__(self) -> int:
        return len(self.prompt) + len(self.new_ids)

    def append(self, tokens: Iterable[int], eos_ids: Collection[int]) -> None:
        """Append new tokens, up to an end token or to ``max_new_tokens``, and set ``stopped`` there."""
        for token in tokens:
            if token in eos_ids:
                self.stopped = "eos"
                return
            self.new_ids.append(token)
            if len(self.new_ids) == self.max_new_tokens:
                self.stopped = "length"
                return


class SaveCallback(Protocol):
    """Keeps rows for a later process. The next call may repeat unfinished rows, but not finished ones."""

    def __call__(self, finished: Sequence[Row], unfinished: Sequence[Row]) -> None:
        """Save rows.

        Args:
            finished: rows that stopped since the last call.
            unfinished: rows with some new tokens, which a later process continues. An engine that cannot continue rows
                passes none; they are then completed again from their prompts, with the same result.
        """


class Engine(Protocol):
    """Completes rows with one model under one set of ``Generation`` settings."""

    def record(self) -> Mapping[str, str]:
        """What a result records of the engine: its name, its version and its device."""

    def complete(self, waiting: Sequence[Row], save: SaveCallback) -> None:
        """Complete all rows in place, in the given order, and save them.

        Raises:
            FeynTuneError: the model's logits are NaN; names the abstract.
        """


def stream_key(seed: int, run: str, name: str) -> int:
    """The key of an abstract's random numbers: 64 bits of SHA-256 over seed, run and id, as a signed integer."""
    digest = hashlib.sha256(f"{seed}\n{run}\n{name}".encode()).digest()
    return int.from_bytes(digest[:8], "little", signed=True)
