"""Settings of perplexities and embeddings."""

from typing import Literal

from pydantic import Field

from feyntune.config.schema.base import Section
from feyntune.config.schema.evaluated import EvaluationStage


class Perplexity(Section):
    """One forward pass over whole abstracts, for perplexity and embeddings."""

    column: str = "abstract"
    """Column of the dataset to evaluate."""
    batch_tokens: int | None = Field(None, ge=1)
    """Tokens per batch, padding included; null means 16,384 on a GPU, and on a CPU 1,024, which is fast there.
    Changes speed and memory, and results by rounding only."""
    too_long: Literal["refuse", "truncate"] = "refuse"
    """What to do with abstracts over the model's limit. Their number is printed and recorded either way."""


class PerplexityStage(EvaluationStage):
    """Settings of `perplexity.py`."""

    perplexity: Perplexity
    """Perplexity settings."""
