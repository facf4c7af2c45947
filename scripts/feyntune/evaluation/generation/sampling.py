"""Sampling in which every abstract has its own random numbers, independent of the other rows of its batch.

The Gumbel-max trick (Gumbel 1954; Maddison et al., arXiv:1411.0030) samples from softmax(l) as the argmax over the
vocabulary of l + g with independent Gumbel noise g. Here g has no state that changes from token to token: it is a
function of (seed, run, id, position, token), SplitMix64's finaliser (Steele, Lea, Flood, OOPSLA 2014) of a counter.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from transformers import (
    LogitsProcessor,
    LogitsProcessorList,
    MinPLogitsWarper,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from feyntune.core.errors import FeynTuneError

if TYPE_CHECKING:
    from feyntune.config.schema.generation import Generation

GOLDEN = -0x61C8864680B583EB
"""SplitMix64's increment 0x9E3779B97F4A7C15, as a signed number: torch has no unsigned 64-bit arithmetic."""
MULTIPLIERS = (-0x40A7B892E31B1A47, -0x6B2FB644ECCEEE15)
"""Its multipliers 0xBF58476D1CE4E5B9 and 0x94D049BB133111EB, likewise."""
LARGEST_TAIL = 1 - 2.0**-24
"""The largest float32 below 1. Rounding to 1, at a probability of 2^-25, would make the noise -inf."""


def _mix(state: torch.Tensor) -> torch.Tensor:
    """SplitMix64's finaliser of int64 counters: different counters give bits that look independent."""
    for shift, multiplier in zip((30, 27), MULTIPLIERS, strict=True):
        state = (state ^ _shift_right(state, shift)) * multiplier
    return state ^ _shift_right(state, 31)


def _shift_right(state: torch.Tensor, shift: int) -> torch.Tensor:
    """Right shift that fills with zeros; torch's own fills with the sign bit."""
    return (state >> shift) & ((1 << (64 - shift)) - 1)


def gumbel_noise(keys: torch.Tensor, positions: torch.Tensor, vocabulary: int) -> torch.Tensor:
    """Standard Gumbel noise, float32, of shape (rows, vocabulary).

    Args:
        keys: int64 keys of the rows.
        positions: int64 positions of the tokens to sample, one per row.
        vocabulary: number of tokens.
    """
    tokens = torch.arange(1, vocabulary + 1, device=keys.device)
    return _gumbel(_mix(_mix(keys + positions * GOLDEN)[:, None] + tokens * GOLDEN))


def _gumbel(bits: torch.Tensor) -> torch.Tensor:
    """Gumbel noise from random int64 numbers."""
    # 1 - uniform, of 53 bits and never 0: float32 is precise where it is small, which is where the noise is largest.
    tail = ((_shift_right(bits, 11) | 1).float() * 2.0**-53).clamp_(max=LARGEST_TAIL)
    return -torch.log(-torch.log1p(-tail))


class GumbelMax(LogitsProcessor):
    """Adds each row's own noise to its scores, so that the following argmax is a sample from their softmax.

    Args:
        keys: int64 keys of the rows.
        padding: int64 number of padding tokens before each row.
    """

    def __init__(self, keys: torch.Tensor, padding: torch.Tensor) -> None:
        self.keys, self.padding = keys, padding

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Add the noise of each row's next position to scores (rows x vocabulary)."""
        return scores + gumbel_noise(self.keys, input_ids.shape[1] - self.padding, scores.shape[1])


class NanCheck(LogitsProcessor):
    """Stops the program where logits are NaN, and names the abstracts."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = names

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Return the scores unchanged, or raise FeynTuneError."""
        wrong = scores.isnan().any(dim=1)
        if wrong.any():
            raise nan_error([self.names[row] for row in wrong.nonzero().flatten().tolist()])
        return scores


def nan_error(names: Sequence[str]) -> FeynTuneError:
    """The error for abstracts whose logits are NaN."""
    return FeynTuneError(f"{', '.join(names[:3])}: the model's logits are NaN; check that its weights are intact")


class MinNewTokens(LogitsProcessor):
    """Forbids end tokens until each row has its minimum number of new tokens.

    Args:
        eos_ids: ids of the end tokens.
        first_widths: for each row the width of ``input_ids`` from which on it may end.
    """

    def __init__(self, eos_ids: Sequence[int], first_widths: Sequence[int]) -> None:
        self.eos_ids, self.first_widths = list(eos_ids), first_widths

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Set the scores of end tokens that are too early to minus infinity."""
        early = [row for row, first in enumerate(self.first_widths) if input_ids.shape[1] < first]
        if early:
            scores[torch.tensor(early)[:, None], self.eos_ids] = -torch.inf
        return scores


def distribution_processors(settings: Generation) -> LogitsProcessorList:
    """The changes to the distribution that tokens are sampled from, in transformers' order.

    Args:
        settings: generation settings with a temperature above 0.
    """
    chosen = LogitsProcessorList([TemperatureLogitsWarper(settings.temperature)])
    if settings.top_k:
        chosen.append(TopKLogitsWarper(settings.top_k))
    if settings.top_p < 1:
        chosen.append(TopPLogitsWarper(settings.top_p))
    if settings.min_p:
        chosen.append(MinPLogitsWarper(settings.min_p))
    return chosen
