"""Settings of perplexities and embeddings."""

from typing import Literal

from feyntune.config.schema.evaluated import EvaluationStage
from feyntune.core.schema import Count, Section


class Perplexity(Section):
    """One forward pass over whole abstracts, for perplexity and embeddings."""

    column: str = "abstract"
    """Column of the dataset whose texts are evaluated."""
    batch_tokens: Count | None = None
    """Tokens per batch, including padding; null: 16,384 on a GPU, 1,024 on a CPU, where small batches are fast.
    Changes speed and memory, and results by rounding only."""
    membership: bool = False
    """Whether to compute Min-K%++ (arXiv:2404.02936), too, from the same forward pass: a score of how much a text looks
    like training data, in the additional column `min_k_pp`. `report.membership` says which sets are compared by it."""
    too_long: Literal["refuse", "truncate"] = "refuse"
    """What to do with abstracts over the model's limit. Their number is printed and recorded either way."""


class PerplexityStage(EvaluationStage):
    """Settings of `perplexity.py`."""

    perplexity: Perplexity
    """Perplexity settings."""
