"""The built-in engine for completions that are shown while they grow: runs take turns on one base model in memory."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from feyntune.core.provenance import device_name
from feyntune.evaluation.generation.engine import Row
from feyntune.evaluation.generation.kv_cache import empty_cache
from feyntune.evaluation.generation.streaming import GrowingRow
from feyntune.evaluation.generation.transformers_engine import TransformersEngine
from feyntune.evaluation.model import EvaluatedModel, cast_adapters, load_evaluated
from feyntune.models.load import load_adapter

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import Cache

    from feyntune.config.schema.generation import CompletionStage

TURN = 4
"""New tokens between two changes of the adapter. Lower values grow more evenly; higher values save time."""


def load_streaming(
    base: Path, adapters: Mapping[str, Path | None], stage: CompletionStage, fraction: float = 1
) -> StreamingTransformers:
    """Load a base model with adapters; see ``streaming.LoadStreaming``. It reserves no memory."""
    return StreamingTransformers(base, adapters, stage)


class StreamingTransformers:
    """A ``StreamingEngine``: each run extends its row by a few tokens, with its own adapter and its own KV cache.

    Args:
        base: folder of the base model.
        adapters: by run the folder of its PEFT adapter, or None for the base model alone.
        stage: settings that say how the base model is loaded.
    """

    def __init__(self, base: Path, adapters: Mapping[str, Path | None], stage: CompletionStage) -> None:
        model = load_evaluated(base, None, stage, decoding=True)
        self.causal, self.tokens, self.device = model.causal, model.tokens, device_name(model.causal.device)
        self.names = {run: f"run{index}" for index, run in enumerate(adapters)}  # peft does not allow dots
        self.adapted: PeftModel | None = None
        self.with_adapter = {run for run, folder in adapters.items() if folder}
        for run, folder in adapters.items():
            if folder:
                self.adapted = load_adapter(self.adapted or self.causal, folder, stage.base_names, self.names[run])
        if self.adapted:
            cast_adapters(self.adapted, stage.precision)

    def stream(self, rows: Sequence[GrowingRow]) -> Iterator[GrowingRow]:
        """As ``StreamingEngine`` describes."""
        model = EvaluatedModel(self.causal, self.tokens)
        engines = [_Turns(model, each.settings, batch=1) for each in rows]
        caches = [empty_cache() for _ in rows]
        while not all(each.row.stopped for each in rows):
            for index, growing in enumerate(rows):
                if not growing.row.stopped:
                    with self._adapter_of(growing.run):
                        caches[index] = engines[index].turn(growing.row, caches[index])
                    yield growing

    @contextlib.contextmanager
    def _adapter_of(self, run: str) -> Iterator[None]:
        """Use a run's adapter, or none, inside the block."""
        if self.adapted is None:
            yield
        elif run in self.with_adapter:
            self.adapted.set_adapter(self.names[run])
            yield
        else:
            with self.adapted.disable_adapter():
                yield


class _Turns(TransformersEngine):
    """Extends one row a few tokens at a time."""

    def turn(self, row: Row, cache: Cache) -> Cache:
        """Extend the row by at most ``TURN`` tokens; returns the extended cache."""
        return self._segment([row], cache, TURN)
