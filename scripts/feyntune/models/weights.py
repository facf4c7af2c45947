"""Checks of weights: they belong to the model, and are numbers."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from feyntune.core.errors import FeynTuneError
from feyntune.core.integrity import has_record
from feyntune.models.tokens import load_config

if TYPE_CHECKING:
    import torch
    from peft import PeftModel
    from transformers import PreTrainedModel

LARGE = 10**9
"""Parameters from which on a model is not loaded only to find out that most of its weights are missing."""


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


def check_shapes(folder: str | Path, model: PreTrainedModel) -> None:
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


def check_finite(folder: str | Path, model: PreTrainedModel | PeftModel, only: str = "") -> None:
    """Refuse weights with NaN or infinite values: all that is computed with them would be NaN.

    Args:
        folder: where the weights are, for messages.
        model: the model that has them.
        only: what the names of the weights must contain.

    Raises:
        FeynTuneError: a weight is not finite.
    """
    # Quantised weights may be stored as tensors of numbers that mean nothing (``bnb_4bit_quant_storage``).
    plain = ((name, each) for name, each in model.named_parameters() if getattr(each, "quant_state", None) is None)
    _refuse_infinite(folder, ((name, weight) for name, weight in plain if only in name))


def check_files(folder: Path) -> None:
    """The same before weights are quantised, which makes a number of NaN; files with a record were checked already."""
    from safetensors import safe_open

    for path in [] if has_record(folder) else sorted(folder.glob("*.safetensors")):
        with safe_open(path, "pt") as file:
            _refuse_infinite(path, ((name, file.get_tensor(name)) for name in file.keys()))  # noqa: SIM118  # no dict


def _refuse_infinite(place: str | Path, weights: Iterable[tuple[str, torch.Tensor]]) -> None:
    for name, weight in weights:
        if not _is_finite(weight):
            short = name if len(name) <= 70 else f"…{name[-69:]}"
            raise FeynTuneError(f"{place}: {short} has values that are not finite; compare it with its source")


def _is_finite(numbers: torch.Tensor) -> bool:
    import torch

    if numbers.dtype not in (torch.float16, torch.bfloat16, torch.float32, torch.float64) or not numbers.numel():
        return True
    lowest, highest = torch.aminmax(numbers.detach())  # NaN goes through, and nothing is copied
    return bool(lowest.isfinite() & highest.isfinite())
