"""How a training step is divided so that it fits into memory: micro-batches, and recomputation of activations.

The planner uses the same formulas. Activations are counted in numbers that a block keeps for each token: multiples of
its width and of its feed-forward width. Allocators and libraries add to that: hence a margin, and another division of
the step if the memory does not suffice after all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from feyntune.config.schema.planning import ModelShape
from feyntune.models.likelihood import LOGITS_AT_ONCE
from feyntune.training.microbatches import micro_batches_per_device

if TYPE_CHECKING:
    import torch

    from feyntune.config.schema.training import Training


@dataclass(frozen=True)
class Fit:
    """A division of a step."""

    micro_batches: int
    """Micro-batches of each device."""
    recompute: bool
    """Whether activations are computed again in the backward pass (gradient checkpointing)."""

    def __str__(self) -> str:
        count = f"{self.micro_batches} micro-batch{'es' if self.micro_batches > 1 else ''}"
        return f"{count} a step {'with' if self.recompute else 'without'} gradient checkpointing"


def activation_bytes(shape: ModelShape, number_bytes: int, tokens: float, recompute: bool) -> float:
    """Bytes that the forward and backward pass of a micro-batch need at their peak, logits included.

    Args:
        shape: shape of the base model.
        number_bytes: bytes of a number in the computation's format.
        tokens: tokens in the micro-batch, padding included.
        recompute: whether activations are computed again, one block at a time.
    """
    block = (14 * shape.hidden_size + 5 * shape.intermediate_size) * number_bytes
    inputs = shape.num_hidden_layers * shape.hidden_size * number_bytes
    kept = inputs + block if recompute else shape.num_hidden_layers * block
    logits = min(LOGITS_AT_ONCE, tokens * shape.vocab_size) * (8 + 2 * number_bytes)  # twice in float32, twice rounded
    return tokens * kept + logits


NO_MOMENTS = ("adafactor", "adalomo", "lomo", "sgd")
"""Optimizers without a state of the size of the weights."""
ONE_MOMENT = ("adagrad", "lion", "rmsprop", "schedule_free_sgd")
"""Parts of the names of optimizers with one number for each weight. Others have two, as Adam does."""


def moment_bytes(optimizer: str) -> float:
    """Bytes of an optimizer's state for each trained weight: numbers in float32, unless its name says otherwise."""
    moments = 0 if optimizer in NO_MOMENTS else 1 if any(part in optimizer for part in ONE_MOMENT) else 2
    moments += "ademamix" in optimizer
    return moments * (1 if "8bit" in optimizer else 0.5 if "4bit" in optimizer else 4)


def state_bytes(training: Training, number_bytes: int) -> float:
    """Bytes that a step needs for each trained weight, besides the weight itself, which is in float32.

    These are its gradient, the optimizer's state, and autocast's copy of a weight that is used in another format.

    Args:
        training: training settings.
        number_bytes: bytes of a number in the computation's format.
    """
    copy = number_bytes if training.method == "full" and number_bytes < 4 else 0
    return 4 + moment_bytes(training.optimizer.name) + copy


def possible_fits(training: Training, abstracts: int) -> list[Fit]:
    """The divisions that the settings allow, fastest first: without recomputation before with it, few parts first.

    Args:
        training: training settings.
        abstracts: abstracts of a device in a step.
    """
    limit = training.per_device_batch_size
    if limit == "auto":
        counts = [count for count in range(1, abstracts + 1) if abstracts % count == 0]
    else:
        counts = [micro_batches_per_device(abstracts, limit)]
    recompute = (False, True) if training.gradient_checkpointing == "auto" else (training.gradient_checkpointing,)
    return [Fit(count, again) for again in recompute for count in counts]


@dataclass(frozen=True)
class Demand:
    """What a division of a step needs."""

    tokens: float
    """Tokens in its largest micro-batch."""
    memory: float
    """Bytes, compared with those that are free."""


class FitPlan:
    """The division of a step that is used now, and those that need less memory.

    Args:
        demands: the demands of the divisions that the settings allow, fastest first; see ``possible_fits``.
        free: free bytes of the GPU. None: there is no GPU, and the default is one micro-batch with recomputation.
    """

    def __init__(self, demands: Mapping[Fit, Demand], free: float | None) -> None:
        self._demands, self.free = dict(demands), free
        fits = list(self._demands)
        if free is None:
            self.current = next((fit for fit in fits if fit.recompute), fits[0])
        else:
            self.current = next((fit for fit in fits if demands[fit].memory <= free), fits[-1])

    @property
    def demand(self) -> Demand:
        """What the current division needs."""
        return self._demands[self.current]

    def shrink(self) -> bool:
        """Change to the next division that needs less memory: more micro-batches, then recomputation.

        Returns:
            False if there is none.
        """
        fits = list(self._demands)
        later = fits[fits.index(self.current) + 1 :]
        smaller = [fit for fit in later if self._demands[fit].memory < self.demand.memory]
        if not smaller:
            return False
        self.current = smaller[0]
        return True

    def __str__(self) -> str:
        if self.free is None:
            return str(self.current)
        return f"{self.current} ({self.demand.memory / 1e9:.1f} of {self.free / 1e9:.1f} GB)"


def largest_micro_batch(lengths: np.ndarray, order: np.ndarray, parts: int) -> int:
    """The most tokens in a micro-batch of any step, padding left out.

    Args:
        lengths: tokens in each abstract, shape (abstracts,).
        order: abstracts of each step, shape (steps, batch size).
        parts: micro-batches in a step, on all devices; see ``microbatches.distribute``.
    """
    rounds = -np.sort(-lengths[order], axis=1).reshape(len(order), -1, parts)
    rounds[:, 1::2] = rounds[:, 1::2, ::-1]
    return int(rounds.sum(axis=1).max())


def free_bytes(device: torch.device) -> float | None:
    """Free memory of a GPU, with what torch holds and does not use; None without a GPU."""
    import torch

    if device.type != "cuda":
        return None
    unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return torch.cuda.mem_get_info(device)[0] + unused
