"""Settings that every program has in common that evaluates a model."""

from typing import Literal

from feyntune.config.schema.models import Precision, Quantization
from feyntune.core.schema import Count, Section


class EvaluationStage(Section):
    """The run, the abstracts and the model of an evaluation."""

    run: str
    """Name of the run; each run has its own random numbers."""
    limit: Count | None
    """As in the evaluation set."""
    quantization: Quantization
    """Storage of the base model's weights."""
    precision: Precision
    """Number formats."""
    weights: Literal["quantised", "dequantised"] = "quantised"
    """What the model folder contains: the base model, to be stored as `quantization` says, or its dequantised
    weights."""
    base_names: list[str]
    """Names by which an adapter may identify this base model."""


class DequantizeStage(Section):
    """Settings of `dequantize.py`."""

    quantization: Quantization
    """Storage of the base model's weights."""
    precision: Precision
    """Number formats."""
    base_names: list[str]
    """Names that an adapter may have for this base model."""
