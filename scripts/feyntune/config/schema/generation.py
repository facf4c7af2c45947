"""Settings of completions."""

from typing import Literal

from pydantic import Field

from feyntune.config.schema.base import Section
from feyntune.config.schema.models import Precision, Quantization
from feyntune.evaluation.metrics import ReportedMetric


class Generation(Section):
    """How abstracts are completed; the defaults are the paper's."""

    max_new_tokens: int = Field(1024, ge=1)
    """Longest continuation, as far as the model's context has room for it."""
    min_new_tokens: int = Field(1, ge=0)
    """Shortest continuation."""
    temperature: float = Field(0.7, ge=0)
    """Flatness of the law that tokens are drawn from; 0 takes the likeliest token."""
    top_k: int | None = Field(None, ge=1)
    """Draw among the k likeliest tokens only; null means all."""
    top_p: float = Field(1.0, gt=0, le=1)
    """Draw among the likeliest tokens that hold this share of the probability."""
    min_p: float = Field(0.0, ge=0, lt=1)
    """Draw among tokens at least this fraction as likely as the likeliest."""
    too_long: Literal["refuse", "truncate"] = "refuse"
    """What to do with prompts that fill the model's context: `truncate` keeps as many of their last tokens as leave
    half of the context for the completion; how many there are is said and recorded either way."""
    batch_size: int = Field(64, ge=1)
    """Abstracts that grow side by side; changes speed and memory, and results by rounding only."""
    shard_rows: int = Field(512, ge=1)
    """Abstracts finished between two saves: what a killed job loses at most; changes results by rounding only."""


class CompletionStage(Section):
    """What `complete.py` is given."""

    run: str
    """Name of the run; every run draws its own random numbers."""
    seed: int
    """Seed of the drawing."""
    limit: int | None
    """As in the evaluation set."""
    quantization: Quantization
    """Storage of the base model's weights."""
    precision: Precision
    """Number formats."""
    generation: Generation
    """Generation settings."""
    base_names: list[str]
    """Names by which an adapter may know this base model."""


class ImportStage(Section):
    """What `import_completions.py` and `import_values.py` are given."""

    limit: int | None
    """As in the evaluation set."""
    split: str = "test"
    """As in the evaluation set."""
    model: str | None = None
    """The model of a reference table whose columns are read; null means a table of one run."""
    metric: ReportedMetric | None = None
    """The metric whose values are imported; null for completions and perplexities."""
