"""Settings of perplexities and embeddings."""

from typing import Literal

from feyntune.config.schema.models import Precision, Quantization
from feyntune.core.schema import Count, Section


class Perplexity(Section):
    """One forward pass over whole abstracts, for perplexity and embeddings."""

    column: str = "abstract"
    """Column of the dataset whose texts are evaluated."""
    batch_tokens: Count | None = None
    """Tokens per batch, including padding; null: 16,384 on a GPU, 1,024 on a CPU, where small batches are fast.
    Changes speed and memory, and results by rounding only."""
    too_long: Literal["refuse", "truncate"] = "refuse"
    """What to do with abstracts over the model's limit. Their number is printed and recorded either way."""


class PerplexityStage(Section):
    """Settings of `perplexity.py`."""

    run: str
    """Name of the run."""
    limit: Count | None
    """As in the evaluation set."""
    quantization: Quantization
    """Storage of the base model's weights."""
    precision: Precision
    """Number formats."""
    perplexity: Perplexity
    """Perplexity settings."""
    base_names: list[str]
    """Names that an adapter may have for this base model."""
