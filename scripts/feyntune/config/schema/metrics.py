"""Settings of the sentence-embedding models that compare completions with abstracts."""

from pydantic import Field, model_validator

from feyntune.config.schema.base import Section
from feyntune.config.schema.models import Source


class Metric(Source):
    """A sentence-embedding model that sentence-transformers loads."""

    max_length: int | None = Field(None, ge=8)
    """Longest text in the metric's tokens; null means the model's own limit."""
    trust_remote_code: bool = False
    """Let the repository's own Python run: only a repository and a revision that you have named, and read."""
    batch_size: int = Field(64, ge=1)
    """Texts at a time; changes speed and memory, and results by rounding only."""

    @model_validator(mode="after")
    def _named_code(self):
        if self.trust_remote_code and not self.hub:
            raise ValueError("'trust_remote_code' is for repositories named by 'hub' and 'revision'")
        return self


class TruthStage(Section):
    """What `embed_truth.py` is given."""

    metric: Metric
    """The metric."""
    limit: int | None
    """As in the evaluation set."""


class SemscoreStage(Section):
    """What `semscore.py` is given."""

    metric: Metric
    """The metric."""
