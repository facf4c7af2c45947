"""The model that is evaluated, as the completion and perplexity programs load it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from feyntune.config.schema.evaluated import EvaluationStage
from feyntune.config.schema.models import Precision, Quantization
from feyntune.core.integrity import check_base
from feyntune.models.load import load_adapter, load_base
from feyntune.models.tokens import ModelTokens, load_tokens

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel


@dataclass(frozen=True)
class EvaluatedModel:
    """A base model, with an adapter or without, ready for inference."""

    causal: PreTrainedModel
    """A causal language model; an adapter's layers, if any, are inside it."""
    tokens: ModelTokens
    """Its tokenizer and the limits of its texts."""


def load_evaluated(
    base: Path, adapter: Path | None, stage: EvaluationStage, *, decoding: bool = False
) -> EvaluatedModel:
    """Load the model of a run.

    Args:
        base: folder of the base model; of the dequantised one if the settings say so.
        adapter: folder of a PEFT adapter, or None for the base model alone.
        stage: settings of the job.
        decoding: load it for generation. The adapter is merged into weights that are not quantised, which saves time
            at every token; quantised weights would have to be quantised again. Attention is never flash attention,
            which synchronises in every layer when rows are padded.
    """
    tokens, quantization, precision = load_tokens(base), stage.quantization, stage.precision
    if stage.weights != "quantised":
        quantization = Quantization(method="none")
    if decoding and precision.attention != "eager":
        precision = precision.model_copy(update={"attention": "sdpa"})
    if adapter:
        check_base(base, adapter)
    causal = load_base(base, quantization, precision).eval()
    if adapter:
        adapted = load_adapter(causal, adapter, stage.base_names)
        if decoding and quantization.method == "none":
            causal = adapted.merge_and_unload()
        else:
            causal = cast_adapters(adapted, precision).get_base_model()
    return EvaluatedModel(causal, tokens)


def cast_adapters(model: PeftModel, precision: Precision) -> PeftModel:
    """Change LoRA matrices to the number format of the computation.

    They are trained and saved in float32. In another format than its input, peft casts the input of every layer, and
    computes the update in float32. Training computes it in the format of the computation as well, by autocast. DoRA and
    other variants of LoRA stay in float32: they compute norms of their weights.

    Args:
        model: a model with adapters that are not merged.
        precision: its ``dtype`` is the format.

    Returns:
        The same model.
    """
    import torch
    from peft.tuners.lora import LoraLayer

    dtype = getattr(torch, precision.dtype)
    for layer in model.modules():
        if isinstance(layer, LoraLayer):
            for name in layer.lora_A.keys() - layer.lora_variant.keys():
                layer.lora_A[name].to(dtype=dtype)
                layer.lora_B[name].to(dtype=dtype)
    return model
