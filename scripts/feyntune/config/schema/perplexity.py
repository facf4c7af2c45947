"""Settings of perplexities and embeddings."""

from typing import Literal

from pydantic import Field

from feyntune.config.schema.base import Section
from feyntune.config.schema.models import Precision, Quantization


class Perplexity(Section):
    """One forward pass over whole abstracts, for perplexity and embeddings."""

    column: str = "abstract"
    """Column of the dataset that is scored."""
    batch_tokens: int | None = Field(None, ge=1)
    """Tokens a batch, padding included; null means 16,384 on a GPU, else 1,024, which is fast on processors.
    Changes speed and memory, and results by rounding only."""
    too_long: Literal["refuse", "truncate"] = "refuse"
    """What to do with abstracts over the model's limit; how many there are is said and recorded either way."""


class PerplexityStage(Section):
    """What `perplexity.py` is given."""

    run: str
    """Name of the run."""
    limit: int | None
    """As in the evaluation set."""
    quantization: Quantization
    """Storage of the base model's weights."""
    precision: Precision
    """Number formats."""
    perplexity: Perplexity
    """Perplexity settings."""
    base_names: list[str]
    """Names by which an adapter may know this base model."""
