"""Settings of what is judged: the abstracts, and the number formats of the models that complete and score them."""

from typing import Literal

from pydantic import Field

from feyntune.config.schema.base import Name, Section
from feyntune.config.schema.data import NearDuplicates
from feyntune.config.schema.models import Precision, Quantization


class EvaluationSet(Section):
    """The abstracts on which runs are judged."""

    dataset: Name
    """A dataset of the registry."""
    split: Literal["test", "validation", "train", "all"] = "test"
    """One of its splits; or `all` three, of a dataset on which no run is trained."""
    limit: int | None = Field(None, ge=1)
    """Only the first abstracts of the split, this many; null: all of them."""

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits of the dataset that it consists of, in order."""
        return ("test", "validation", "train") if self.split == "all" else (self.split,)

    @property
    def hub_split(self) -> str:
        """The name of its split in tables of the hub, where `all` is a reserved name."""
        return "test" if self.split == "all" else self.split


class EvaluationSetStage(Section):
    """Settings of `evaluation_set.py`."""

    name: Name
    """The evaluation set."""
    dataset: Name
    """Its dataset."""
    split: str
    """Its split of that dataset."""
    limit: int | None
    """The first abstracts of the split, this many."""
    policy: Literal["exclude", "hold_out", "refuse"] | None
    """What to do with abstracts of training splits; null: nothing, because the set is a training split itself."""
    near_duplicates: NearDuplicates
    """When an abstract is a near-duplicate of a training abstract."""


class HoldOutStage(Section):
    """Settings of `hold_out.py`."""

    dataset: Name
    """The dataset whose training split is filtered."""
    near_duplicates: NearDuplicates
    """When a training abstract is a near-duplicate of an abstract of an evaluation set."""


class EvaluationPrecision(Section):
    """Storage and number formats for completions and scores; null means as trained."""

    quantization: Quantization | None = None
    """See `quantization`."""
    precision: Precision | None = None
    """See `precision`."""
