"""Settings of the evaluation: the abstracts, and the number formats of the models."""

from typing import Literal

from feyntune.config.schema.data import NearDuplicates
from feyntune.config.schema.models import Precision, Quantization
from feyntune.core.schema import Count, Name, Section


class EvaluationSet(Section):
    """Abstracts on which runs are evaluated."""

    dataset: Name
    """A name in `datasets`."""
    split: Literal["test", "validation", "train", "all"] = "test"
    """One of its splits; or `all` three, of a dataset on which no run is trained."""
    limit: Count | None = None
    """Use only this many abstracts, the first of the split; null: all."""

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
    """How many abstracts of the split, the first ones; null: all."""
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
    """Storage and number formats for completions and perplexities, where they differ from training."""

    quantization: Quantization | None = None
    """Keys of `quantization`; keys that are not given are as trained."""
    precision: Precision | None = None
    """Keys of `precision`; keys that are not given are as trained."""
    weights: Literal["auto", "quantised", "dequantised"] = "auto"
    """Weights of 4-bit models: `quantised` as in training; `dequantised`, which are the same numbers at two or four
    bytes per weight, and faster; `auto`: dequantised where the job has a GPU. Results change by rounding only. vLLM
    always uses dequantised weights."""
