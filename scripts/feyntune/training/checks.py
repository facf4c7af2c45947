"""Checks that refuse a training in one line before a model is loaded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from feyntune.config.methods import check_full
from feyntune.core.errors import FeynTuneError
from feyntune.core.files import reason
from feyntune.models.load import check_quantization, linear_layers, pick_device
from feyntune.models.tokens import context_length, load_config
from feyntune.training.initialisation import check_initialisation
from feyntune.training.sharding import check_sharding

if TYPE_CHECKING:
    import torch
    from transformers import PretrainedConfig

    from feyntune.config.schema.models import Precision, Quantization
    from feyntune.config.schema.training import Optimizer, Tracking, Training, TrainingStage
    from feyntune.training.job import TrainingJob


def check_job(job: TrainingJob) -> PretrainedConfig:
    """Check everything that needs no model, and this machine; returns the model's configuration."""
    check_machine(job.settings.quantization, job.settings.precision, job.gpus, pick_device())
    if job.settings.training.keep == "best" and not job.validation:
        raise FeynTuneError("training.keep: best needs the validation split; give --validation, or set keep to last")
    return check_settings(job.settings, job.base, job.gpus, job.tracking)


def check_settings(stage: TrainingStage, base: Path, gpus: int, tracking: Tracking) -> PretrainedConfig:
    """Check everything that needs no weights, no data and no GPU.

    Args:
        stage: settings of the training.
        base: folder of the base model.
        gpus: data-parallel processes; 0: one on the CPU.
        tracking: tracking settings.

    Returns:
        The model's configuration.

    Raises:
        FeynTuneError: the training cannot run.
    """
    check_batch_size(stage.training, max(gpus, 1))
    check_sharding(stage, gpus)
    if not (base / "config.json").is_file():
        raise FeynTuneError(f"{base}: has no config.json; name a Hugging Face model folder in models.*.path")
    check_full(stage.run, stage.quantization, stage.training)
    check_initialisation(stage)
    check_arguments(stage)
    from feyntune.training.tracking import check_trackers

    check_trackers(tracking)
    config = load_config(base)
    check_target_modules(stage.target_modules, config)
    longest_sequence(stage.training, config)
    return config


def check_batch_size(training: Training, gpus: int) -> None:
    """Refuse an effective batch size that is not a multiple of the number of GPUs."""
    if training.batch_size % gpus:
        below = training.batch_size // gpus * gpus
        fitting = f"{below} or {below + gpus}" if below else gpus
        raise FeynTuneError(
            f"training.batch_size: {training.batch_size} is not a multiple of {gpus} GPUs;"
            f" set it to {fitting}, or change 'gpus'"
        )


def check_arguments(stage: TrainingStage) -> None:
    """Refuse arguments that the optimizer or schedule does not accept, by building both for a single number."""
    import torch
    from transformers import Trainer, get_scheduler

    from feyntune.training.arguments import training_arguments

    arguments = training_arguments(stage, 10, ".", pick_device())
    number = torch.nn.Parameter(torch.zeros(1))
    place = "optimizer"
    try:
        kind, given = Trainer.get_optimizer_cls_and_kwargs(arguments)
        _check_lora_plus(stage.training.optimizer, kind, given)
        sgd = torch.optim.SGD([number])  # replaces optimizers that need a whole model
        optimizer = kind([number], **given) if isinstance(kind, type) else sgd
        place = "schedule"
        schedule = cast("dict[str, Any]", arguments.lr_scheduler_kwargs)
        get_scheduler(arguments.lr_scheduler_type, optimizer, 1, 10, scheduler_specific_kwargs=schedule)
    except (TypeError, ValueError, KeyError, ImportError) as error:
        name = getattr(stage.training, place).name
        raise FeynTuneError(
            f"training.{place}: cannot create {name} ({reason(error, 120)}); correct its name or its arguments"
        ) from None


def _check_lora_plus(optimizer: Optimizer, kind: object, given: Mapping[str, Any]) -> None:
    """Refuse LoRA+ with optimizers that choose their own groups of parameters."""
    if optimizer.lora_plus_ratio and (not isinstance(kind, type) or {"params", "model", "optimizer_dict"} & set(given)):
        raise FeynTuneError(
            f"training.optimizer.lora_plus_ratio: {optimizer.name} chooses its own groups of parameters;"
            " set lora_plus_ratio to null, or another optimizer"
        )


def check_machine(quantization: Quantization, precision: Precision, gpus: int, device: torch.device) -> None:
    """Refuse formats that this machine cannot train with, and more GPUs than it has."""
    import torch
    from transformers.utils import is_flash_attn_2_available

    check_quantization(quantization, device)
    if precision.attention == "flash_attention_2" and not is_flash_attn_2_available():
        raise FeynTuneError(
            "precision.attention: flash_attention_2 is not installed on this machine; set it to auto or sdpa"
        )
    if device.type == "cuda":
        visible = torch.cuda.device_count()
        if gpus > visible:
            raise FeynTuneError(f"gpus: {gpus} requested, and this job sees {visible}; request {gpus} from the cluster")
        return
    if precision.dtype == "float16":
        raise FeynTuneError("precision.dtype: training in float16 needs a GPU; set it to bfloat16 or float32")


def check_target_modules(target_modules: Sequence[str], config: PretrainedConfig) -> None:
    """Refuse layers that the model does not have, and list those that it has."""
    present = linear_layers(config)
    unknown = [name for name in target_modules if name not in present]
    if unknown:
        raise FeynTuneError(
            f"target_modules: {config.model_type} has no layer {unknown[0]!r}; it has {', '.join(present)}"
        )


def longest_sequence(training: Training, config: PretrainedConfig) -> int | None:
    """The most tokens in a sequence: ``max_length``, or the model's context length.

    Raises:
        FeynTuneError: ``max_length`` exceeds the context length.
    """
    limit = context_length(config)
    if training.max_length and limit and training.max_length > limit:
        raise FeynTuneError(f"training.max_length: {training.max_length} exceeds the model's {limit} tokens; lower it")
    return training.max_length or limit
