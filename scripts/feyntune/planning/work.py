"""The work of a job: tokens, operations and bytes, from the shape of its model and the size of its data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from feyntune.planning.devices import Phase

SAFE = 0.9
"""Fraction of a limit that a prediction may reach without a warning."""
PADDING = 1.3
"""Tokens of a batch with padding, relative to those without."""


@dataclass
class Work:
    """The work of a job; without a shape of its model there are no operations."""

    tokens: float | None = None
    """Tokens to process, without padding; None for a job without a model."""
    operations: float = 0
    """Floating-point operations."""
    phase: Phase = "forward"
    """Decides the fraction of a device's peak rate that they reach."""
    steps: float = 0
    """Decoding steps: tokens that are generated one after another, by whole batches."""
    layers: float = 0
    """Blocks of the model that each step runs through, where launching their kernels takes time."""
    moved: float = 0
    """Bytes of weights and KV cache that each step reads."""
    loaded: float = 0
    """Bytes read from disk at the start."""
    seconds: float = 5
    """Time for everything else."""
    peak: float | None = None
    """Peak memory in bytes, of a GPU if the job has one; None if it is not known."""
    fewest_gpus: int | None = None
    """GPUs that a training needs because one does not hold its model; None if one does."""
    disk: float = 0
    """Bytes that it writes."""
    engine: str | None = None
    """Generation engine; None for a job that completes nothing."""
    known: bool = True
    """Whether the shape of its model is known."""
