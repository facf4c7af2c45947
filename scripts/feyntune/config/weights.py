"""Which weights an evaluation uses: quantised as in training, or dequantised in advance."""

from __future__ import annotations

from typing import Literal

from feyntune.config.schema.models import Precision, Quantization
from feyntune.core.errors import FeynTuneError

Weights = Literal["quantised", "dequantised"]


def evaluated_weights(
    choice: Literal["auto", "quantised", "dequantised"], quantization: Quantization, gpu: int, engine: str | None
) -> Weights:
    """The weights of an evaluation.

    Args:
        choice: ``evaluation.weights``.
        quantization: storage of the weights.
        gpu: GPUs of the job.
        engine: the generation engine; None if nothing is generated.

    Raises:
        FeynTuneError: int8 weights cannot be dequantised: training multiplies 8-bit integers.
    """
    needed = "generation.engine: vllm" if engine == "vllm" else "evaluation.weights: dequantised"
    dequantised = engine == "vllm" or choice == "dequantised" or (choice == "auto" and gpu > 0)
    if quantization.method == "none":
        return "quantised"
    if quantization.method == "int8":
        if engine == "vllm" or choice == "dequantised":
            raise FeynTuneError(
                f"config: {needed} does not work with int8; set quantization.method to nf4, fp4 or none"
            )
        return "quantised"
    return "dequantised" if dequantised else "quantised"


def dequantised_name(model: str, quantization: Quantization, precision: Precision) -> str:
    """Name of the folder of a dequantised model, such as ``llama.nf4-double-bfloat16``."""
    double = "-double" if quantization.double else ""
    return f"{model}.{quantization.method}{double}-{precision.dtype}"
