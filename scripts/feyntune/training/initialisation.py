"""Initial adapters other than LoRA's own: PiSSA and LoftQ.

PiSSA (arXiv:2404.02948) starts from the largest singular values of the base weights, and takes them out of the base
model. What is published is an ordinary adapter for the unchanged base model, of twice the rank: the trained adapter
minus the initial one. LoftQ (arXiv:2310.08659), here with one iteration as in peft, starts from the largest singular
values of what quantisation took away from the base weights.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from feyntune.core.errors import FeynTuneError
from feyntune.core.files import read_json

if TYPE_CHECKING:
    import torch
    from bitsandbytes.nn import Params4bit
    from peft import PeftModel

    from feyntune.config.schema.training import TrainingStage

ITERATIONS = 16
"""Subspace iterations of the randomised singular value decomposition (Halko et al., arXiv:0909.4061)."""
PEFT_NAMES = {"default": True, "pissa": f"pissa_niter_{ITERATIONS}", "loftq": True}
"""`lora.init` as peft's ``init_lora_weights``; LoftQ's weights replace the default ones afterwards."""


def check_initialisation(stage: TrainingStage) -> None:
    """Refuse combinations of ``lora.init`` with other settings that would give a wrong adapter."""
    init, method = stage.lora.init, stage.quantization.method
    if init != "default" and stage.lora.use_dora:
        raise FeynTuneError(f"lora.init: {init} does not combine with lora.use_dora; set one of them to its default")
    if init == "pissa" and method != "none":
        raise FeynTuneError(
            f"lora.init: pissa changes base weights, which {method} does not allow;"
            " set quantization.method to none, or lora.init to loftq"
        )
    if init == "loftq" and method not in ("nf4", "fp4"):
        raise FeynTuneError(
            f"lora.init: loftq needs 4-bit base weights, not {method}; set quantization.method to nf4 or fp4"
        )


def apply_loftq(model: PeftModel, folder: Path) -> None:
    """Replace the initial weights of an adapter on a 4-bit base model by LoftQ's.

    Args:
        model: with a fresh adapter.
        folder: folder of the base model, with its weights before quantisation.

    Raises:
        FeynTuneError: the folder lacks the weights of a layer.
    """
    import torch
    from bitsandbytes.functional import dequantize_4bit
    from peft.tuners.lora import LoraLayer

    files = _weight_files(folder)
    with torch.no_grad():
        for name, layer in model.get_base_model().named_modules():
            if isinstance(layer, LoraLayer):
                weight = cast("Params4bit", layer.get_base_layer().weight)
                factors = (cast("torch.nn.Linear", matrices["default"]) for matrices in (layer.lora_A, layer.lora_B))
                lora_a, lora_b = (factor.weight for factor in factors)
                stored = dequantize_4bit(weight.data, weight.quant_state).float()
                lost = _read_weight(files, f"{name}.weight", folder).to(stored) - stored
                u, s, v = torch.svd_lowrank(lost, layer.r["default"], niter=ITERATIONS)
                lora_a.copy_((v * s.sqrt()).T)
                lora_b.copy_(u * s.sqrt() / layer.scaling["default"])


def _weight_files(folder: Path) -> dict[str, Path]:
    """The file of each weight in a model folder."""
    from safetensors import safe_open

    index = folder / "model.safetensors.index.json"
    if index.is_file():
        return {name: folder / file for name, file in read_json(index)["weight_map"].items()}
    single = folder / "model.safetensors"
    with safe_open(single, framework="pt") as file:
        return dict.fromkeys(file.keys(), single)


def _read_weight(files: Mapping[str, Path], name: str, folder: Path) -> torch.Tensor:
    from safetensors import safe_open

    if name not in files:
        raise FeynTuneError(f"{folder}: has no weight {name!r}, which lora.init: loftq needs; set lora.init to default")
    with safe_open(files[name], framework="pt") as file:
        return file.get_tensor(name)


def initial_weights(model: PeftModel, stage: TrainingStage) -> dict[str, torch.Tensor] | None:
    """Copies of an adapter's initial weights, where the published adapter needs them; else None."""
    from peft import get_peft_model_state_dict

    if stage.lora.init != "pissa":
        return None
    return {name: weight.detach().clone() for name, weight in get_peft_model_state_dict(model).items()}


def subtract_initial(
    weights: Mapping[str, torch.Tensor], initial: Mapping[str, torch.Tensor]
) -> dict[str, torch.Tensor]:
    """The adapter whose update is that of ``weights`` minus that of ``initial``: ``B A - B0 A0 = [B, -B0] [A; A0]``."""
    import torch

    joined = dict(weights)
    for name, weight in weights.items():
        if "lora_A" in name:
            joined[name] = torch.cat([weight, initial[name].to(weight.device)], dim=0)
        elif "lora_B" in name:
            joined[name] = torch.cat([weight, -initial[name].to(weight.device)], dim=1)
    return joined


def double_rank(config: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration of an adapter from ``subtract_initial``: twice the rank, and the same scale."""
    factor = math.sqrt(2) if config["use_rslora"] else 2
    return {**config, "r": 2 * config["r"], "lora_alpha": factor * config["lora_alpha"], "init_lora_weights": True}
