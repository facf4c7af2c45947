"""Settings of completions."""

from typing import Literal

from pydantic import Field

from feyntune.config.schema.base import Section
from feyntune.config.schema.evaluated import EvaluationStage


class Generation(Section):
    """How abstracts are completed; the defaults are the paper's."""

    max_new_tokens: int = Field(1024, ge=1)
    """Longest continuation in tokens; shorter where the model's context ends."""
    min_new_tokens: int = Field(1, ge=0)
    """Shortest continuation in tokens."""
    temperature: float = Field(0.7, ge=0)
    """Temperature of the distribution that tokens are sampled from; 0 takes the most likely token."""
    top_k: int | None = Field(None, ge=1)
    """Sample from the k most likely tokens only; null means all."""
    top_p: float = Field(1.0, gt=0, le=1)
    """Sample from the most likely tokens whose probabilities sum to this value."""
    min_p: float = Field(0.0, ge=0, lt=1)
    """Sample from tokens whose probability is at least this fraction of the highest one."""
    too_long: Literal["refuse", "truncate"] = "refuse"
    """What to do with prompts that fill the model's context: `truncate` keeps their last tokens, half a context of
    them. Their number is printed and recorded either way."""
    batch_size: int = Field(64, ge=1)
    """Abstracts that are completed at the same time; changes speed and memory, and results by rounding only."""
    shard_rows: int = Field(512, ge=1)
    """Abstracts finished between two saves, the most that a killed job loses; changes results by rounding only."""


class CompletionStage(EvaluationStage):
    """Settings of `complete.py`."""

    seed: int
    """Seed of the sampling."""
    generation: Generation
    """Generation settings."""


class ImportStage(Section):
    """Settings of `import_completions.py` and `import_scores.py`."""

    limit: int | None
    """As in the evaluation set."""
    split: str = "test"
    """As in the evaluation set."""
    model: str | None = None
    """The model of a table in the reference schema whose columns are read; null: a table of one run."""
