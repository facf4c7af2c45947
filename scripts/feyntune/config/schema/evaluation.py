"""Settings of the evaluation: the abstracts, and the number formats of the models."""

from typing import Literal

from feyntune.config.schema.models import Precision, Quantization
from feyntune.core.schema import Count, Name, Section


class EvaluationSet(Section):
    """Abstracts on which runs are evaluated."""

    dataset: Name
    """A name in `datasets`."""
    split: Literal["test", "validation", "train"] = "test"
    """One of its splits."""
    limit: Count | None = None
    """Use only this many abstracts, the first of the split; null: all."""


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
