"""Sampling in which every abstract draws from its own stream of random numbers, whatever stands beside it in a batch.

The Gumbel-max trick (Gumbel 1954; Maddison et al., arXiv:1411.0030) draws from softmax(l) as the argmax over the
vocabulary of l + g with independent Gumbel noise g. Here g comes from no state that moves on from draw to draw, but is
a function of (seed, run, id, position, token): SplitMix64's finaliser (Steele, Lea, Flood, OOPSLA 2014) of a counter.
"""

import hashlib

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

GOLDEN = -0x61C8864680B583EB
"""SplitMix64's increment 0x9E3779B97F4A7C15, as a signed number: torch has no unsigned 64-bit arithmetic."""
MULTIPLIERS = (-0x40A7B892E31B1A47, -0x6B2FB644ECCEEE15)
"""Its multipliers 0xBF58476D1CE4E5B9 and 0x94D049BB133111EB, likewise."""


def stream_key(seed, run, name):
    """The key of an abstract's stream: 64 bits of SHA-256 over seed, run and id, as a signed number."""
    digest = hashlib.sha256(f"{seed}\n{run}\n{name}".encode()).digest()
    return int.from_bytes(digest[:8], "little", signed=True)


def _mixed(state):
    """SplitMix64's finaliser of int64 counters: any two that differ give bits that look independent."""
    for shift, multiplier in zip((30, 27), MULTIPLIERS, strict=True):
        state = (state ^ _shifted(state, shift)) * multiplier
    return state ^ _shifted(state, 31)


def _shifted(state, shift):
    """Right shift that fills with zeros; torch's own fills with the sign."""
    return (state >> shift) & ((1 << (64 - shift)) - 1)


def gumbel_noise(keys, positions, vocabulary):
    """Standard Gumbel noise, float32, of shape (rows, vocabulary).

    Args:
        keys: int64 keys of the rows' streams.
        positions: int64 positions of the tokens that are drawn, one a row.
        vocabulary: how many tokens there are.
    """
    tokens = torch.arange(1, vocabulary + 1, device=keys.device)
    counters = _mixed(keys + positions * GOLDEN)[:, None] + tokens * GOLDEN
    # 1 - uniform, of 53 bits and never 0: float32 keeps it fine where it is small, and there the noise is greatest.
    tail = (_shifted(_mixed(counters), 11) | 1).float() * 2.0**-53
    return -torch.log(-torch.log1p(-tail))


class GumbelMax(LogitsProcessor):
    """Adds each row's own noise to its scores, so that the greedy choice that follows is a draw from their softmax.

    Args:
        keys: int64 keys of the rows' streams.
        padding: int64 numbers of padding tokens in front of each row.
    """

    def __init__(self, keys, padding):
        self.keys, self.padding = keys, padding

    def __call__(self, input_ids, scores):
        """Add the noise of each row's next position to scores (rows × vocabulary)."""
        return scores + gumbel_noise(self.keys, input_ids.shape[1] - self.padding, scores.shape[1])


class Watch(LogitsProcessor):
    """Stops where logits are not numbers, and names the abstracts."""

    def __init__(self, names):
        self.names = names

    def __call__(self, input_ids, scores):
        """Pass the scores on, or raise FeynTuneError."""
        wrong = scores.isnan().any(dim=1)
        if wrong.any():
            names = ", ".join(self.names[row] for row in wrong.nonzero().flatten().tolist()[:3])
            raise FeynTuneError(f"{names}: the model's logits are not numbers; are its weights whole?")
        return scores


class NoEndBefore(LogitsProcessor):
    """Forbids the tokens that end a text until each row has its least number of new tokens.

    Args:
        ends: ids of these tokens.
        first_ends: for each row the width of ``input_ids`` from which on it may end.
    """

    def __init__(self, ends, first_ends):
        self.ends, self.first_ends = ends, first_ends

    def __call__(self, input_ids, scores):
        """Set the scores of ends that come too early to minus infinity."""
        early = [row for row, first in enumerate(self.first_ends) if input_ids.shape[1] < first]
        if early:
            scores[torch.tensor(early)[:, None], self.ends] = -torch.inf
        return scores


def warpers(settings):
    """The changes of the law that tokens are drawn from, in transformers' order.

    Args:
        settings: ``settings.completion.Generation``, its temperature above 0.
    """
    chosen = LogitsProcessorList([TemperatureLogitsWarper(settings.temperature)])
    if settings.top_k:
        chosen.append(TopKLogitsWarper(settings.top_k))
    if settings.top_p < 1:
        chosen.append(TopPLogitsWarper(settings.top_p))
    if settings.min_p:
        chosen.append(MinPLogitsWarper(settings.min_p))
    return chosen
