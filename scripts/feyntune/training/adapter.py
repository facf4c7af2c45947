"""The adapter: a fresh one on the base model, and a saved one as files."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from feyntune.core.files import read_json, write_json
from feyntune.training.initialisation import PEFT_NAMES, apply_loftq, double_rank, subtract_initial

if TYPE_CHECKING:
    import torch
    from peft import LoraConfig, PeftModel

    from feyntune.config.schema.training import TrainingStage

WEIGHTS = "adapter_model.safetensors"
CONFIG = "adapter_config.json"


def load_adapted(folder: Path, name: str, stage: TrainingStage) -> PeftModel:
    """Load a quantised base model and add a fresh LoRA adapter.

    The adapter is initialised from the global random generators: seed them first.

    Args:
        folder: folder of the base model.
        name: name of the base model in the adapter's configuration.
        stage: settings of the run.
    """
    from peft import get_peft_model

    from feyntune.models.load import load_base

    base = load_base(folder, stage.quantization, stage.precision, divided=stage.training.parallel == "fsdp")
    model = get_peft_model(base, lora_config(stage))
    model.peft_config["default"].base_model_name_or_path = name
    if stage.lora.init == "loftq":
        apply_loftq(model, folder)
    return model


def lora_config(stage: TrainingStage) -> LoraConfig:
    """The adapter's configuration for peft."""
    from peft import LoraConfig

    return LoraConfig(
        task_type="CAUSAL_LM",
        r=stage.lora.r,
        lora_alpha=stage.lora.alpha,  # type: ignore[arg-type]  # peft takes a float too
        lora_dropout=stage.lora.dropout,
        bias=stage.lora.bias,
        init_lora_weights=PEFT_NAMES[stage.lora.init],  # type: ignore[arg-type]  # a name with a number
        use_dora=stage.lora.use_dora,
        use_rslora=stage.lora.use_rslora,
        target_modules=stage.target_modules,
    )


def save_adapter(
    model: PeftModel,
    folder: Path,
    initial: Mapping[str, torch.Tensor] | None = None,
    weights: dict[str, torch.Tensor] | None = None,
) -> None:
    """Save an adapter. Equal weights give equal bytes: there is no model card, and the layers are sorted.

    Args:
        model: the model with the adapter.
        folder: folder to write to.
        initial: weights that the base model lacks and that are therefore subtracted; see ``initialisation``.
        weights: its weights by their names in the model; None: those in the model.
    """
    model.save_pretrained(str(folder), save_embedding_layers=False, state_dict=weights)
    (folder / "README.md").unlink()
    config = read_json(folder / CONFIG)
    if initial is not None:
        from safetensors.torch import load_file, save_file

        save_file(subtract_initial(load_file(folder / WEIGHTS), initial), folder / WEIGHTS, metadata={"format": "pt"})
        config = double_rank(config)
    config["target_modules"] = sorted(config["target_modules"])
    write_json(folder / CONFIG, config)
    shutil.copymode(folder / CONFIG, folder / WEIGHTS)  # safetensors makes its files readable for the owner only
