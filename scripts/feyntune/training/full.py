"""Full fine-tuning: all weights are trained in float32, and published as an ordinary model folder.

A weight in bfloat16 has eight significant bits. The steps of a learning rate of 1e-5 are smaller than half the last of
them for most weights, and would be lost. So weights, gradients and the optimizer's state are in float32, and autocast
computes in the number format of the configuration; the published weights are rounded to it.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from feyntune.core.files import read_json, write_json
from feyntune.models.tokens import settings_files

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

    from feyntune.config.schema.training import TrainingStage

WEIGHTS = "model.safetensors"
CONFIG = "config.json"
ONE_FILE = 2**62
"""Largest size of a file of weights in bytes: so large that there is one, which jobs can declare and depend on."""


def load_trainable(folder: Path, stage: TrainingStage) -> PreTrainedModel:
    """Load a base model in the number format of the configuration, and make its weights float32 to train them all.

    Args:
        folder: folder of the base model.
        stage: settings of the run.
    """
    from feyntune.models.load import load_base

    divided = stage.training.parallel == "fsdp"
    return load_base(folder, stage.quantization, stage.precision, divided=divided).float().requires_grad_()


def published_files(base: Path) -> list[str]:
    """Names of the files that ``save_model`` writes, the weights last; ``base`` is the folder of the base model."""
    copied = [path.name for path in settings_files(base) if path.name != CONFIG]
    return [*copied, CONFIG, WEIGHTS]


def save_model(
    model: PreTrainedModel,
    folder: Path,
    base: Path,
    dtype: torch.dtype,
    weights: dict[str, torch.Tensor] | None = None,
) -> None:
    """Save a model, with the tokenizer and the generation settings of its base model.

    Args:
        model: the trained model.
        folder: folder to write to.
        base: folder of the base model.
        dtype: number format of the published weights.
        weights: the trained weights by name; None: those in the model.
    """
    from transformers import GenerationConfig

    own, model.generation_config = model.generation_config, GenerationConfig()  # those of the base model may be refused
    try:
        rounded = _rounded(model.state_dict() if weights is None else weights, dtype)
        model.save_pretrained(folder, state_dict=rounded, max_shard_size=ONE_FILE)
    finally:
        model.generation_config = own
    config = read_json(folder / CONFIG)
    write_json(folder / CONFIG, {**config, "dtype": str(dtype).removeprefix("torch.")})
    for path in settings_files(base):
        if path.name != CONFIG:
            shutil.copyfile(path, folder / path.name)
    shutil.copymode(folder / CONFIG, folder / WEIGHTS)  # safetensors makes its files readable for the owner only


def _rounded(weights: dict[str, torch.Tensor], dtype: torch.dtype) -> dict[str, torch.Tensor]:
    """Weights in another number format, in the memory of the host; those that share memory still do."""
    done: dict[tuple[int, torch.Size], torch.Tensor] = {}
    for name, weight in weights.items():
        key = (weight.data_ptr(), weight.shape)
        if key not in done:
            done[key] = weight.to("cpu", dtype) if weight.is_floating_point() else weight.cpu()
        weights[name] = done[key]
    return weights


def save_checkpoint(model: PreTrainedModel, folder: Path) -> None:
    """Save the weights as they are trained, for ``Trainer`` to continue from."""
    from safetensors.torch import save_model as save_shared

    save_shared(model, str(folder / WEIGHTS))
