"""How many abstracts are completed in parallel: as many as memory has room for.

The plan uses the same formulas, with an estimate of the longest prompt.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from feyntune.core.cli import say
from feyntune.models.shape import (
    CONTEXT,
    DTYPE_BYTES,
    MARGIN,
    cache_bytes,
    evaluation_weight_bytes,
    shape_of,
)

if TYPE_CHECKING:
    import torch
    from transformers import PretrainedConfig

    from feyntune.config.schema.generation import CompletionStage
    from feyntune.config.schema.planning import ModelShape
    from feyntune.evaluation.generation.engine import Row

DeviceType = Literal["cuda", "cpu"]
MOST_ROWS = {"cuda": 256, "cpu": 64}
"""Rows beyond which a device gains little, by its type."""
USABLE = {"cuda": 0.9, "cpu": 1.0}
"""Fraction of the memory that may be used, by the device's type; on a CPU, of the memory that the job has requested."""
SAMPLING_BYTES = 48
"""Bytes per row and token of the vocabulary at the peak of sampling: logits, scores, noise and their copies."""


def row_bytes(shape: ModelShape, stage: CompletionStage, prompt: float, whole: float) -> float:
    """Memory of one row of a batch in bytes: its KV cache, the activations of its prompt, and sampling.

    Args:
        shape: shape of the base model.
        stage: settings of the completions.
        prompt: tokens of the longest prompt.
        whole: tokens of the longest text, prompt and continuation.
    """
    number = DTYPE_BYTES[stage.precision.dtype]
    activations = prompt * (8 * shape.hidden_size + 3 * shape.intermediate_size) * number
    return cache_bytes(shape, number, whole) + activations + SAMPLING_BYTES * shape.vocab_size


def rows_that_fit(
    shape: ModelShape, stage: CompletionStage, prompt: float, whole: float, memory: float, device: DeviceType
) -> int:
    """Rows of a batch: as set, or for `auto` as many as fit, at most ``MOST_ROWS``, above 8 a multiple of 8.

    Args:
        shape: shape of the base model.
        stage: settings of the completions.
        prompt: tokens of the longest prompt.
        whole: tokens of the longest text, prompt and continuation.
        memory: bytes of the GPU, or that the job may use on the CPU.
        device: type of the device.
    """
    if stage.generation.batch_size != "auto":
        return stage.generation.batch_size
    free = (USABLE[device] * memory - CONTEXT) / MARGIN - evaluation_weight_bytes(shape, stage)
    rows = int(min(MOST_ROWS[device], max(free, 0) / row_bytes(shape, stage, prompt, whole)))
    return rows // 8 * 8 if rows > 8 else max(1, rows)


def choose_rows(
    config: PretrainedConfig, stage: CompletionStage, rows: Sequence[Row], device: torch.device, memory: float | None
) -> int:
    """The rows of a job's batches.

    Args:
        config: configuration of the base model.
        stage: settings of the completions.
        rows: all rows of the job, so that a resumed job has batches as before.
        device: where it computes.
        memory: bytes that the job may use on a CPU; None: half of the machine's.
    """
    prompt, whole = max(len(row.prompt) for row in rows), longest_text(rows)
    there = device_memory(device, memory)
    chosen = rows_that_fit(shape_of(config), stage, prompt, whole, there, "cuda" if device.type == "cuda" else "cpu")
    if stage.generation.batch_size == "auto":
        say(f"completes {min(chosen, len(rows))} abstracts in parallel")
    return min(chosen, len(rows))


def longest_text(rows: Sequence[Row]) -> int:
    """Tokens of the longest text that rows may become."""
    return max(len(row.prompt) + row.max_new_tokens for row in rows)


def device_memory(device: torch.device, memory: float | None) -> float:
    """Bytes of a GPU; on a CPU ``memory``, or half of the machine's if that is None."""
    import torch

    if device.type == "cuda":
        return torch.cuda.get_device_properties(device).total_memory
    return memory or os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2
