"""Abstracts as token sequences whose perplexity is computed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from feyntune.core.errors import FeynTuneError
from feyntune.core.ids import examples
from feyntune.models.tokenizer import encode

if TYPE_CHECKING:
    from feyntune.models.tokens import ModelTokens


@dataclass(frozen=True)
class Encoded:
    """Abstracts as they are evaluated."""

    sequences: list[list[int]]
    """``BOS text``, no longer than the model's context."""
    texts: list[str]
    """The part of each abstract that its sequence covers."""
    truncated: int
    """Number of truncated abstracts."""


def encode_abstracts(tokens: ModelTokens, ids: Sequence[str], texts: Sequence[str], too_long: str) -> Encoded:
    """Encode abstracts as ``BOS text``.

    Args:
        tokens: the model's tokenizer and context length.
        ids: ids of the abstracts.
        texts: the abstracts.
        too_long: ``refuse`` abstracts over the model's context, or ``truncate`` them.

    Raises:
        FeynTuneError: an abstract is too long and ``too_long`` is ``refuse``, or has no token to evaluate.
    """
    sequences = encode(tokens.tokenizer, texts, eos=False)
    empty = [name for name, sequence in zip(ids, sequences, strict=True) if len(sequence) < 2]
    if empty:
        raise FeynTuneError(f"{len(empty)} abstracts have no token to evaluate: {examples(empty)}; remove them")
    limit = tokens.context or max(map(len, sequences))
    over = [name for name, sequence in zip(ids, sequences, strict=True) if len(sequence) > limit]
    if over and too_long == "refuse":
        raise FeynTuneError(
            f"{len(over)} abstracts exceed the model's {limit} tokens: {examples(over)};"
            " set perplexity.too_long: truncate to evaluate their beginnings"
        )
    cut = [sequence[:limit] for sequence in sequences]
    covered = [
        text if len(sequence) <= limit else cast("str", tokens.tokenizer.decode(kept, skip_special_tokens=True))
        for text, sequence, kept in zip(texts, sequences, cut, strict=True)
    ]
    return Encoded(cut, covered, len(over))
