"""Settings of what is judged: the abstracts, and the number formats of the models that complete and score them."""

from typing import Literal

from pydantic import Field

from feyntune.config.schema.base import Name, Section
from feyntune.config.schema.models import Precision, Quantization


class EvaluationSet(Section):
    """The abstracts on which runs are judged."""

    dataset: Name
    """A dataset of the registry."""
    split: Literal["test", "validation", "train"] = "test"
    """One of its splits."""
    limit: int | None = Field(None, ge=1)
    """The first so many abstracts of the split; null means all of them."""


class EvaluationPrecision(Section):
    """Storage and number formats for completions and scores; null means as trained."""

    quantization: Quantization | None = None
    """See `quantization`."""
    precision: Precision | None = None
    """See `precision`."""
