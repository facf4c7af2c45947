"""Settings of what is measured on unseen abstracts: completions, perplexity, embeddings, similarity, scores."""

from typing import Literal

from pydantic import Field

from feyntune.settings.base import Name, Section
from feyntune.settings.models import Precision, Quantization, Source


class EvaluationSet(Section):
    """The abstracts on which runs are judged."""

    dataset: Name
    """A dataset of the registry."""
    split: Literal["test", "validation", "train"] = "test"
    """One of its splits."""
    limit: int | None = Field(None, ge=1)
    """The first so many abstracts of the split; null means all of them."""


class Generation(Section):
    """How abstracts are completed; the defaults are the paper's."""

    max_new_tokens: int = Field(1024, ge=1)
    """Longest continuation."""
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
    batch_size: int = Field(64, ge=1)
    """Abstracts that grow side by side; changes speed and memory, and results by rounding only."""


class Scoring(Section):
    """One forward pass over whole abstracts, for perplexity and embeddings."""

    column: str = "abstract"
    """Column of the dataset that is scored."""
    batch_tokens: int = Field(16384, ge=1)
    """Tokens a batch, padding included; changes speed and memory only."""
    pool_bos: bool = False
    """Whether the mean over an abstract's hidden states counts BOS, whose state dwarfs the others; the paper's does."""
    too_long: Literal["refuse", "truncate"] = "refuse"
    """What to do with abstracts over the model's limit; how many there are is said and recorded either way."""


class EvaluationPrecision(Section):
    """Storage and number formats for completions and scores; null means as trained."""

    quantization: Quantization | None = None
    """See `quantization`."""
    precision: Precision | None = None
    """See `precision`."""


class Similarity(Section):
    """The matrix of cosines between all pairs of an evaluation set's embeddings."""

    dtype: Literal["float32", "float16"] = "float32"
    """Number format in which the matrix is kept."""


class Scorer(Source):
    """A sentence-embedding model that sentence-transformers loads."""

    max_length: int | None = Field(None, ge=8)
    """Longest text in the scorer's tokens; null means the model's own limit."""
    trust_remote_code: bool = False
    """Let the repository's own Python run; only with a revision that you have read."""
    batch_size: int = Field(64, ge=1)
    """Texts at a time."""


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


class ScoringStage(Section):
    """What `score.py` is given."""

    run: str
    """Name of the run."""
    limit: int | None
    """As in the evaluation set."""
    quantization: Quantization
    """Storage of the base model's weights."""
    precision: Precision
    """Number formats."""
    scoring: Scoring
    """Scoring settings."""
    base_names: list[str]
    """Names by which an adapter may know this base model."""
