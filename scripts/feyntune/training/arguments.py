"""The settings of a run as arguments of transformers' Trainer."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

from transformers import TrainingArguments

from feyntune.config.methods import FSDP
from feyntune.training.distributed import is_launched
from feyntune.training.sharding import FSDP_ARGUMENTS

if TYPE_CHECKING:
    import torch

    from feyntune.config.schema.training import TrainingStage


def training_arguments(stage: TrainingStage, steps: int, folder: Path | str, device: torch.device) -> TrainingArguments:
    """Arguments of ``Trainer``. Its own logs, evaluations, checkpoints and accumulation are off: ours replace them.

    Args:
        stage: settings of the run.
        steps: number of steps.
        folder: folder of the checkpoints.
        device: device of this process.
    """
    training, optimizer, schedule = stage.training, stage.training.optimizer, stage.training.schedule
    arguments = TrainingArguments(
        output_dir=str(folder),
        max_steps=steps,
        per_device_train_batch_size=1,
        train_sampling_strategy="sequential",
        remove_unused_columns=False,
        dataloader_pin_memory=device.type == "cuda",
        seed=stage.seed,
        optim=optimizer.name,
        learning_rate=optimizer.learning_rate,
        adam_beta1=optimizer.betas[0],
        adam_beta2=optimizer.betas[1],
        adam_epsilon=optimizer.eps,
        weight_decay=optimizer.weight_decay,
        optim_args=",".join(f"{name}={value}" for name, value in optimizer.arguments.items()) or None,
        lr_scheduler_type=schedule.name,
        lr_scheduler_kwargs=schedule.arguments,
        warmup_steps=math.ceil(schedule.warmup_ratio * steps),
        max_grad_norm=training.max_grad_norm,
        fp16=stage.precision.dtype == "float16",
        use_cpu=device.type == "cpu",
        ddp_backend="gloo" if device.type == "cpu" and is_launched() else None,
        ddp_find_unused_parameters=False,
        eval_strategy="no",
        save_strategy="no",
        logging_steps=1,
        logging_nan_inf_filter=False,
        report_to="none",
        disable_tqdm=True,
        **(FSDP_ARGUMENTS if training.parallel == FSDP and is_launched() else {}),
    )
    arguments._n_gpu = min(arguments.n_gpu, 1)  # other visible GPUs are not ours: no DataParallel over them
    return arguments
