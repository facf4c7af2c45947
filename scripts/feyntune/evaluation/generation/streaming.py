"""Completions of one prompt by several runs, shown while they grow: the interface of an engine.

All runs of an engine have the same base model, which is in memory once. A row's text is the one that the engine of the
same name writes for the same prompt and key, up to rounding.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from feyntune.config.schema.generation import Generation
from feyntune.evaluation.generation.engine import Row
from feyntune.models.tokens import ModelTokens

if TYPE_CHECKING:
    from feyntune.config.schema.generation import CompletionStage


@dataclass(frozen=True)
class GrowingRow:
    """The completion of a prompt by one run."""

    run: str
    row: Row
    settings: Generation


class StreamingEngine(Protocol):
    """Completes rows of several runs that have one base model."""

    tokens: ModelTokens
    """How the base model reads texts."""
    device: str
    """The name of the device that it computes on."""

    def stream(self, rows: Sequence[GrowingRow]) -> Iterator[GrowingRow]:
        """Complete all rows in place, at the same time; yield a row whenever it has grown or stopped.

        Raises:
            FeynTuneError: the model's logits are NaN, or the engine fails.
        """


LoadStreaming = Callable[[Path, Mapping[str, Path | None], "CompletionStage", float], StreamingEngine]
"""Loads a base model. Its arguments: the model's folder; by run the folder of a PEFT adapter, or None for the base
model alone; settings that say how it is loaded; the fraction of the GPU's memory that it may reserve."""


def streaming_loader(name: str) -> LoadStreaming:
    """The function ``load_streaming`` of an engine's module ``{name}_streaming``, by the name of the engine."""
    loader: LoadStreaming = importlib.import_module(f"{__package__}.{name}_streaming").load_streaming
    return loader
