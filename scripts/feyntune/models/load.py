"""Base models and adapters: loaded in one way for training, completion and perplexity, always offline.

Weights are checked: every tensor of the model comes from the files, and every tensor of the files is used.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

from feyntune.core.errors import FeynTuneError, shorten
from feyntune.core.files import read_json, reason
from feyntune.core.gpus import pick_device
from feyntune.core.integrity import check_recorded
from feyntune.models.memory import out_of_memory_remedy
from feyntune.models.weights import check_files, check_finite, check_shapes, check_size, check_tensors

if TYPE_CHECKING:
    import torch
    from peft import PeftModel
    from transformers import BitsAndBytesConfig, PretrainedConfig, PreTrainedModel

    from feyntune.config.schema.models import Precision, Quantization


REMEDY = "use quantization.method nf4, a GPU with more memory, or on a CPU a higher mem_mb in resources"


def load_base(
    folder: str | Path, quantization: Quantization, precision: Precision, *, divided: bool = False
) -> PreTrainedModel:
    """Load a causal language model from a folder, quantised and placed on the device of this process.

    Args:
        folder: an ordinary Hugging Face model folder.
        quantization: how the weights are stored.
        precision: number formats and attention.
        divided: load it so that it can be divided among processes after that: unquantised weights on the CPU, 4-bit
            weights as tensors of the format of the computation.

    Raises:
        FeynTuneError: there is no model in the folder, a file is not as recorded, its files and its configuration do
            not belong together, this machine cannot quantise in this way, or memory is not sufficient.
    """
    import torch
    from transformers import AutoModelForCausalLM

    device = pick_device()
    if not (Path(folder) / "config.json").is_file():
        raise FeynTuneError(f"{folder}: no config.json there; name a Hugging Face model folder in models.*.path")
    check_recorded(Path(folder))
    try:
        check_size(Path(folder))
        if quantization.method != "none":
            check_files(Path(folder))
        with out_of_memory_remedy("loading the base model", REMEDY):
            loaded = AutoModelForCausalLM.from_pretrained(
                folder,
                dtype=getattr(torch, precision.dtype),
                quantization_config=_bitsandbytes(quantization, precision, device, divided),
                attn_implementation=attention(precision, device),
                device_map={"": torch.device("cpu") if divided and quantization.method == "none" else device},
                local_files_only=True,
                use_safetensors=True,
                trust_remote_code=False,  # else transformers asks on a terminal
                output_loading_info=True,
            )
    except (MemoryError, FeynTuneError):
        raise
    except Exception as error:  # transformers, safetensors and bitsandbytes raise whatever they like
        raise _not_loaded(folder, error) from error
    model, report = cast("tuple[PreTrainedModel, dict[str, Iterable[str]]]", loaded)  # with output_loading_info
    check_tensors(folder, report["missing_keys"], report["unexpected_keys"])
    check_shapes(folder, model)
    check_finite(folder, model)
    _keep_weights_unpacked(model)
    return model


def _not_loaded(folder: str | Path, error: Exception) -> FeynTuneError:
    """The error that says why a folder cannot be loaded, its path not repeated."""
    lines = str(error).replace(str(folder), "it").splitlines() or [type(error).__name__]
    first = next((line for line in lines if line.strip() and not line.endswith(":")), lines[0]).strip()
    if "ignore_mismatched_sizes" in first:  # how to ignore it, not what it is
        first = "its weights have other shapes than its configuration says"
    return FeynTuneError(f"{folder}: cannot be loaded ({shorten(first, 90)}); compare it with its source")


def _keep_weights_unpacked(model: PreTrainedModel) -> None:
    """Prevent bitsandbytes from rewriting 4-bit weights at the first inference on CPUs with AVX512-BF16.

    Its other layout rounds the scales, has no gradient (a training that evaluates would continue without one and
    without an error), refuses widths that 64 does not divide, and is several times slower for more than a few tokens.
    """
    for module in model.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False  # type: ignore[assignment]  # not a parameter, though torch's types say so


def _bitsandbytes(
    quantization: Quantization, precision: Precision, device: torch.device, divided: bool = False
) -> BitsAndBytesConfig | None:
    import torch
    from transformers import BitsAndBytesConfig

    if quantization.method == "none":
        return None
    check_quantization(quantization, device)
    if quantization.method == "int8":
        _log_casts_once()
        return BitsAndBytesConfig(load_in_8bit=True)
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type=quantization.method,
        bnb_4bit_use_double_quant=quantization.double,
        bnb_4bit_compute_dtype=getattr(torch, precision.dtype),
        bnb_4bit_quant_storage=getattr(torch, precision.dtype) if divided else torch.uint8,
    )


class _Once(logging.Filter):
    """Lets each message of a logger pass once."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[str] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        new = record.msg not in self.seen
        self.seen.add(record.msg)
        return new


def _log_casts_once() -> None:
    """Let bitsandbytes say once that int8 layers cast to float16, not at each layer of each pass."""
    logger = logging.getLogger("bitsandbytes.autograd._functions")
    if not any(isinstance(each, _Once) for each in logger.filters):
        logger.addFilter(_Once())


def check_quantization(quantization: Quantization, device: torch.device) -> None:
    """Raise FeynTuneError if bitsandbytes cannot quantise this way on ``device``: int8 needs a GPU."""
    if quantization.method == "int8" and device.type != "cuda":
        raise FeynTuneError("quantization.method: int8 needs a GPU; set it to nf4, fp4 or none on this machine")


def attention(precision: Precision, device: torch.device) -> str:
    """The attention implementation that ``precision.attention`` means on this machine."""
    from transformers.utils import is_flash_attn_2_available

    if precision.attention != "auto":
        return precision.attention
    flash = device.type == "cuda" and precision.dtype != "float32" and is_flash_attn_2_available()
    return "flash_attention_2" if flash else "sdpa"


def load_adapter(
    base_model: PreTrainedModel | PeftModel, folder: str | Path, base_names: Sequence[str], name: str = "default"
) -> PeftModel:
    """Put the adapter in ``folder`` onto ``base_model``, ready for evaluation.

    Args:
        base_model: from ``load_base``; or from this function, to have several adapters on one base model.
        folder: a PEFT adapter folder.
        base_names: names that the adapter may have for this base model (folder, hub id, earlier hub ids).
        name: what peft calls the adapter; without a dot. The model uses its first adapter until ``set_adapter``.

    Raises:
        FeynTuneError: the adapter was made for another base model, is damaged, or its weights do not fit.
    """
    from peft import PeftModel

    check_adapter(folder, base_names)
    if not (Path(folder) / "adapter_model.safetensors").is_file():
        raise FeynTuneError(f"{folder}: no adapter_model.safetensors there; name the folder of a PEFT adapter")
    try:
        with out_of_memory_remedy("loading the adapter", REMEDY):
            model = (
                base_model
                if isinstance(base_model, PeftModel)
                else PeftModel.from_pretrained(base_model, folder, name, local_files_only=True)
            )
            # peft only warns of missing tensors; loading them again into the same places returns what it found.
            report = model.load_adapter(folder, name, is_trainable=False, local_files_only=True)
    except (MemoryError, FeynTuneError):
        raise
    except Exception as error:  # peft and safetensors raise whatever they like
        raise _not_loaded(folder, error) from error
    check_tensors(folder, report.missing_keys, report.unexpected_keys)
    check_finite(folder, model, only=f".{name}.")
    return model.eval()


def check_adapter(folder: str | Path, base_names: Sequence[str]) -> None:
    """Raise FeynTuneError if an adapter was made for another base model, or is damaged; see ``load_adapter``."""
    config = read_json(Path(folder) / "adapter_config.json")
    made_for = config.get("base_model_name_or_path")
    if made_for not in base_names:
        raise FeynTuneError(
            f"{folder}: adapter made for base model {shorten(made_for)}, not {base_names[0]!r};"
            " name its own base model, or add the name to that model's 'also_known_as'"
        )
    if config.get("alora_invocation_tokens") is not None:
        raise FeynTuneError(f"{folder}: an adapter that certain tokens activate (aLoRA) is not supported; use another")
    check_recorded(Path(folder))


def linear_layers(model_config: PretrainedConfig) -> list[str]:
    """Short names of the linear layers inside the transformer blocks of a model, sorted.

    Builds the model without weights, which takes a second also for a large model; once for equal configurations.

    Raises:
        FeynTuneError: a configuration cannot be that of a model.
    """
    described = model_config.to_json_string()
    if described not in _layers:
        _layers[described] = _find_linear_layers(model_config)
    return _layers[described]


_layers: dict[str, list[str]] = {}


def _find_linear_layers(model_config: PretrainedConfig) -> list[str]:
    import torch
    from transformers import AutoModelForCausalLM

    try:
        with torch.device("meta"):
            skeleton = AutoModelForCausalLM.from_config(model_config)
    except Exception as error:  # sizes that cannot be, unknown functions
        path = Path(model_config.name_or_path or "") / "config.json"
        raise FeynTuneError(f"{path}: describes no model ({reason(error)}); compare it with its source") from error
    head = skeleton.get_output_embeddings()
    layers = {
        name for name, layer in skeleton.named_modules() if isinstance(layer, torch.nn.Linear) and layer is not head
    }
    return sorted({name.rsplit(".", 1)[-1] for name in layers})
