"""Base models and adapters: loaded in one way for training, completion and perplexity, always offline.

Weights are checked: every tensor of the model comes from the files, and every tensor of the files is used.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

from feyntune.core.errors import FeynTuneError, shorten
from feyntune.core.files import read_json
from feyntune.core.gpus import pick_device
from feyntune.core.integrity import check_recorded
from feyntune.models.memory import out_of_memory_remedy
from feyntune.models.tokens import load_config

if TYPE_CHECKING:
    import torch
    from peft import PeftModel
    from transformers import BitsAndBytesConfig, PretrainedConfig, PreTrainedModel

    from feyntune.config.schema.models import Precision, Quantization


REMEDY = "use quantization.method nf4, a GPU with more memory, or on a CPU a higher mem_mb in resources"

LARGE = 10**9
"""Parameters from which on a model is not loaded only to find out that most of its weights are missing."""


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
    _check_shapes(folder, model)
    _keep_weights_unpacked(model)
    return model


def _not_loaded(folder: str | Path, error: Exception) -> FeynTuneError:
    """The error that says why a folder cannot be loaded, its path not repeated."""
    lines = str(error).replace(str(folder), "it").splitlines() or [type(error).__name__]
    return FeynTuneError(f"{folder}: cannot be loaded ({shorten(lines[0], 90)}); compare it with its source")


def check_size(folder: Path) -> None:
    """Refuse a configuration of a large model whose files have fewer bytes than it has parameters.

    Loading would make the others up at random, and fill the memory before ``check_tensors`` could tell.

    Raises:
        FeynTuneError: the files are too small.
    """
    import torch
    from transformers import AutoModelForCausalLM

    config = load_config(folder)
    size = sum(path.stat().st_size for path in folder.glob("*.safetensors"))
    if getattr(config, "quantization_config", None) or not size:
        return
    with torch.device("meta"):
        parameters = AutoModelForCausalLM.from_config(config).num_parameters()
    if parameters > max(size, LARGE):
        raise FeynTuneError(
            f"{folder}: its configuration has {parameters:,} parameters, its files {size:,} bytes;"
            " use the files that belong together"
        )


def check_tensors(folder: str | Path, missing: Iterable[str], unexpected: Iterable[str]) -> None:
    """Refuse weights that do not belong to the model: what is missing would be random, what is left over unused.

    Args:
        folder: where the weights are, for messages.
        missing: names of tensors that the model has and the files lack.
        unexpected: names of tensors that the files have and the model lacks.

    Raises:
        FeynTuneError: there are such tensors.
    """
    for fault, names in (("lack", sorted(missing)), ("have, and the model lacks,", sorted(unexpected))):
        if names:
            more = f" and {len(names) - 1} more" if len(names) > 1 else ""
            name = names[0] if len(names[0]) <= 70 else f"…{names[0][-69:]}"
            raise FeynTuneError(f"{folder}: its weights {fault} {name}{more}; use the files that belong together")


def _check_shapes(folder: str | Path, model: PreTrainedModel) -> None:
    """Refuse linear layers whose weights have another shape: transformers does not compare those that it quantises."""
    import torch

    for name, layer in model.named_modules():
        if isinstance(layer, torch.nn.Linear):
            quantised = getattr(layer.weight, "quant_state", None)
            shape = tuple((quantised or layer.weight).shape)
            if shape != (layer.out_features, layer.in_features):
                raise FeynTuneError(
                    f"{folder}: {name} has {shape[0]} x {shape[-1]} weights, its configuration says"
                    f" {layer.out_features} x {layer.in_features}; use the files that belong together"
                )


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
    return model.eval()


def check_adapter(folder: str | Path, base_names: Sequence[str]) -> None:
    """Raise FeynTuneError if an adapter was made for another base model, or is damaged; see ``load_adapter``."""
    made_for = read_json(Path(folder) / "adapter_config.json").get("base_model_name_or_path")
    if made_for not in base_names:
        raise FeynTuneError(
            f"{folder}: adapter made for base model {shorten(made_for)}, not {base_names[0]!r};"
            " name its own base model, or add the name to that model's 'also_known_as'"
        )
    check_recorded(Path(folder))


def linear_layers(model_config: PretrainedConfig) -> list[str]:
    """Short names of the linear layers inside the transformer blocks of a model, sorted.

    Builds the model without weights, which takes a second also for a large model; once for equal configurations.
    """
    described = model_config.to_json_string()
    if described not in _layers:
        _layers[described] = _find_linear_layers(model_config)
    return _layers[described]


_layers: dict[str, list[str]] = {}


def _find_linear_layers(model_config: PretrainedConfig) -> list[str]:
    import torch
    from transformers import AutoModelForCausalLM

    with torch.device("meta"):
        skeleton = AutoModelForCausalLM.from_config(model_config)
    head = skeleton.get_output_embeddings()
    layers = {
        name for name, layer in skeleton.named_modules() if isinstance(layer, torch.nn.Linear) and layer is not head
    }
    return sorted({name.rsplit(".", 1)[-1] for name in layers})
