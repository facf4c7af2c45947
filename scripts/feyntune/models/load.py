"""Base models and adapters: loaded one way for training, completion and scoring, always offline."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from feyntune.core.errors import FeynTuneError
from feyntune.core.files import read_json

if TYPE_CHECKING:
    import torch
    from transformers import PretrainedConfig

    from feyntune.config.schema.models import Quantization


def pick_device():
    """The GPU of this process (of several that train together: each its own), else the CPU."""
    import torch

    if not torch.cuda.is_available():
        return torch.device("cpu")
    return torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)))


def load_base(folder, quantization, precision):
    """Load a causal language model from a folder, quantised and placed on the device of this process.

    Args:
        folder: an ordinary Hugging Face model folder.
        quantization: ``settings.models.Quantization``.
        precision: ``settings.models.Precision``.

    Raises:
        FeynTuneError: no model in the folder, or this machine cannot quantise that way.
    """
    import torch
    from transformers import AutoModelForCausalLM

    device = pick_device()
    if not (Path(folder) / "config.json").is_file():
        raise FeynTuneError(f"{folder}: no config.json there; name a Hugging Face model folder in models.*.path")
    model = AutoModelForCausalLM.from_pretrained(
        folder,
        dtype=getattr(torch, precision.dtype),
        quantization_config=_bitsandbytes(quantization, precision, device),
        attn_implementation=attention(precision, device),
        device_map={"": device},
        local_files_only=True,
        use_safetensors=True,
    )
    _keep_weights_unpacked(model)
    return model


def _keep_weights_unpacked(model):
    """Keep bitsandbytes from rewriting 4-bit weights at the first inference on processors with AVX512-BF16.

    Its other layout rounds the scales, has no gradient (a training that evaluates goes on without one, silently),
    refuses widths that 64 does not divide, and is several times as slow on more than a few tokens.
    """
    for module in model.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False


def _bitsandbytes(quantization, precision, device):
    import torch
    from transformers import BitsAndBytesConfig

    if quantization.method == "none":
        return None
    check_quantization(quantization, device)
    if quantization.method == "int8":
        return BitsAndBytesConfig(load_in_8bit=True)
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type=quantization.method,
        bnb_4bit_use_double_quant=quantization.double,
        bnb_4bit_compute_dtype=getattr(torch, precision.dtype),
    )


def check_quantization(quantization: Quantization, device: torch.device) -> None:
    """Raise FeynTuneError if bitsandbytes cannot quantise this way on ``device``: int8 needs a GPU."""
    if quantization.method == "int8" and device.type != "cuda":
        raise FeynTuneError("quantization.method: int8 needs a GPU; take nf4, fp4 or none on this machine")


def context_length(config: PretrainedConfig) -> int | None:
    """The most tokens that a model can attend to; None if its configuration has no limit."""
    return getattr(config, "max_position_embeddings", None)


def attention(precision, device):
    """The attention implementation that ``precision.attention`` means on this machine."""
    from transformers.utils import is_flash_attn_2_available

    if precision.attention != "auto":
        return precision.attention
    flash = device.type == "cuda" and precision.dtype != "float32" and is_flash_attn_2_available()
    return "flash_attention_2" if flash else "sdpa"


def load_adapter(base_model, folder, base_names):
    """Put the adapter in ``folder`` onto ``base_model``, ready for evaluation.

    Args:
        base_model: from ``load_base``.
        folder: a PEFT adapter folder.
        base_names: names by which the adapter may know this base model (folder, hub id, earlier hub ids).

    Raises:
        FeynTuneError: the adapter was made for another base model.
    """
    from peft import PeftModel

    made_for = read_json(Path(folder) / "adapter_config.json").get("base_model_name_or_path")
    if made_for not in base_names:
        raise FeynTuneError(
            f"{folder}: adapter made for base model {made_for!r}, not {base_names[0]!r};"
            " name its own base model, or add the name to that model's 'also_known_as'"
        )
    return PeftModel.from_pretrained(base_model, folder, local_files_only=True).eval()


def linear_layers(model_config):
    """Short names of the linear layers inside the transformer blocks of a model, sorted.

    Builds the model's skeleton without weights, so that it takes a second also for a large model.

    Args:
        model_config: a ``transformers`` configuration.
    """
    import torch
    from transformers import AutoModelForCausalLM

    with torch.device("meta"):
        skeleton = AutoModelForCausalLM.from_config(model_config)
    head = skeleton.get_output_embeddings()
    layers = {
        name for name, layer in skeleton.named_modules() if isinstance(layer, torch.nn.Linear) and layer is not head
    }
    return sorted({name.rsplit(".", 1)[-1] for name in layers})
