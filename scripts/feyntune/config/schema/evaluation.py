"""Settings of the evaluation: the abstracts, and the number formats of the models."""

import datetime
from typing import Literal, Self

from pydantic import Field, model_validator

from feyntune.config.schema.data import NearDuplicates
from feyntune.config.schema.models import Precision, Quantization
from feyntune.core.schema import Count, Name, PathText, Section


class EvaluationSet(Section):
    """Abstracts of a dataset, or plain texts, on which runs are evaluated."""

    dataset: Name | None = None
    """A name in `datasets`."""
    split: Literal["test", "validation", "train", "all"] = "test"
    """One of its splits; or `all` three, of a dataset on which no run is trained."""
    limit: Count | None = None
    """Use only this many abstracts, the first of the split; null: all."""
    since: datetime.date | None = None
    """Use only abstracts whose first version is of this day or later, such as the day after the knowledge cutoff of a
    model, which cannot have seen them."""
    until: datetime.date | None = None
    """Use only abstracts whose first version is of this day or earlier."""
    least: float = Field(0.5, gt=0, le=1)
    """Least fraction of its abstracts that must be left when those of training splits are excluded (`leaks.policy`)."""
    held_out: bool = True
    """Whether its abstracts are held out of training: of mixtures always, of every training split with `leaks.policy:
    hold_out`. False: the set changes no training, and loses the abstracts that its runs were trained on."""
    completions: bool = True
    """Whether abstracts are completed, too, and the completions judged by all metrics. False: perplexity and bits per
    byte only, which shows at little cost what a run has lost in other fields."""
    text: PathText | None = None
    """Instead of a dataset: a file of plain texts, for perplexity and bits per byte only. JSON lines or parquet with a
    column of texts, or `.txt` with texts separated by blank lines."""
    column: str = Field("text", min_length=1)
    """The column of texts in such a file."""
    words: Count = 250
    """Longer texts are divided into passages of at most this many words."""

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.dataset is None) == (self.text is None):
            raise ValueError("give either 'dataset', a name in 'datasets', or 'text', a file of plain texts")
        if self.since and self.until and self.since > self.until:
            raise ValueError(f"'since' ({self.since}) is after 'until' ({self.until})")
        unfit = {"split", "completions", "since", "until", "held_out"} if self.text else {"column", "words"}
        if wrong := sorted(unfit & self.model_fields_set):
            raise ValueError(f"{wrong[0]!r} does not go with {'text' if self.text else 'dataset'!r}")
        return self

    @property
    def is_dated(self) -> bool:
        """Whether only abstracts of certain days belong to it."""
        return bool(self.since or self.until)

    @property
    def is_completed(self) -> bool:
        """Whether runs complete its abstracts."""
        return self.completions and not self.text

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits of the dataset that it consists of, in order; none for plain texts."""
        if self.text:
            return ()
        return ("test", "validation", "train") if self.split == "all" else (self.split,)

    @property
    def hub_split(self) -> str:
        """The name of its split in tables of the hub, where `all` is a reserved name."""
        return "test" if self.split == "all" else self.split


class EvaluationSetStage(Section):
    """Settings of `evaluation_set.py`."""

    name: Name
    """The evaluation set."""
    dataset: Name | None
    """Its dataset; null for plain texts."""
    split: str | None
    """Its split of that dataset."""
    limit: int | None
    """How many abstracts of the split, the first ones; null: all."""
    policy: Literal["exclude", "hold_out", "refuse"] | None
    """What to do with abstracts of training splits; null: nothing, because the set is a training split itself."""
    near_duplicates: NearDuplicates
    """When an abstract is a near-duplicate of a training abstract."""
    least: float = Field(0.5, exclude_if=lambda least: least == 0.5)
    """Least fraction of the abstracts that must be left."""


class TextsStage(Section):
    """Settings of `read_texts.py`."""

    column: str
    """The column of texts in JSON lines and parquet files."""
    words: int
    """Longer texts are divided into passages of at most this many words."""


class DatesStage(Section):
    """Settings of `select_dates.py`."""

    since: datetime.date | None
    """First day."""
    until: datetime.date | None
    """Last day."""


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
    checkpoints: bool = False
    """Whether to keep the adapters of trained runs at the steps at which training evaluates (`training.evaluation`),
    and to evaluate all of them on samples: learning curves of perplexity and of all metrics, and the best step by
    perplexity on the validation split."""
    checkpoint_abstracts: Count = 100
    """Abstracts in each of these samples, chosen by a hash of their ids: of the validation split of the run's dataset,
    and of each evaluation set."""
    weights: Literal["auto", "quantised", "dequantised"] = "auto"
    """Weights of 4-bit models: `quantised` as in training; `dequantised`, which are the same numbers at two or four
    bytes per weight, and faster; `auto`: dequantised where the job has a GPU. Results change by rounding only. vLLM
    always uses dequantised weights."""
