"""The training loop: transformers' Trainer on packed micro-batches, with our checkpoints, evaluation and clock."""

from __future__ import annotations

import contextlib
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from transformers import PrinterCallback, Trainer, TrainingArguments

from feyntune.training import checkpoints
from feyntune.training.adapter import save_adapter
from feyntune.training.distributed import is_launched

if TYPE_CHECKING:
    from feyntune.config.schema.training import TrainingStage
    from feyntune.training.evaluation import Evaluator
    from feyntune.training.record import Meter

KEPT = 2  # checkpoints on disk: the previous one stays until the newest is complete


def training_arguments(
    stage: TrainingStage, steps: int, micro_batches: int, folder: Path | str, device: torch.device
) -> TrainingArguments:
    """Arguments of ``Trainer``. Its own logs, evaluations and checkpoints are off: ours replace them.

    Args:
        stage: settings of the run.
        steps: number of steps.
        micro_batches: micro-batches of each device in a step.
        folder: folder of the checkpoints.
        device: device of this process.
    """
    training, optimizer, schedule = stage.training, stage.training.optimizer, stage.training.schedule
    arguments = TrainingArguments(
        output_dir=str(folder),
        max_steps=steps,
        per_device_train_batch_size=1,
        gradient_accumulation_steps=micro_batches,
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
        activation_checkpointing=training.gradient_checkpointing,
        activation_checkpointing_kwargs={"use_reentrant": False},
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
    )
    arguments._n_gpu = min(arguments.n_gpu, 1)  # other visible GPUs are not ours: no DataParallel over them
    return arguments


class AdapterTrainer(Trainer):
    """Trainer of one adapter.

    Args:
        evaluator: evaluates the model.
        meter: counts time and tokens.
        dtype: number format of the computation.
        others: arguments of ``Trainer``.
    """

    def __init__(self, *, evaluator: Evaluator, meter: Meter, dtype: torch.dtype, **others: Any) -> None:
        super().__init__(data_collator=_single, **others)
        self.evaluator, self.meter, self.dtype = evaluator, meter, dtype
        self.remove_callback(PrinterCallback)

    def train(self, checkpoint: Path | None) -> Any:
        """Train until the last step or until a callback stops it; resume from a checkpoint if there is one."""
        self.meter.start(checkpoint)
        self.args.eval_on_start = checkpoint is None
        return super().train(resume_from_checkpoint=checkpoint and str(checkpoint))

    def training_step(
        self, model: torch.nn.Module, inputs: dict[str, torch.Tensor], num_items_in_batch: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Forward and backward pass of one micro-batch."""
        self.meter.computed += inputs["input_ids"].numel() * self.args.world_size
        return super().training_step(model, inputs, num_items_in_batch)

    def autocast_smart_context_manager(
        self, cache_enabled: bool | None = True
    ) -> contextlib.AbstractContextManager[None]:
        """Compute in bfloat16 (adapters stay in float32); accelerate's autocast would copy all logits to float32."""
        if self.dtype is torch.bfloat16:
            return torch.autocast(self.args.device.type, self.dtype, cache_enabled=cache_enabled)
        return contextlib.nullcontext()

    def evaluate(self, *_: Any, **__: Any) -> dict[str, Any]:
        """Evaluate the model; the random generators of the training stay as they are."""
        self.model.eval()
        devices = [self.args.device] if self.args.device.type == "cuda" else []
        fork = torch.random.fork_rng(devices)  # by default the state of every visible GPU is copied
        with self.meter.part("evaluation"), fork, self.autocast_smart_context_manager():
            metrics = self.evaluator(self.model)
        self.log(metrics)
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def _save(self, output_dir: str | None = None, state_dict: dict[str, torch.Tensor] | None = None) -> None:
        if self.args.should_save:
            save_adapter(self.model, Path(output_dir or self.args.output_dir))

    def _save_checkpoint(self, model: torch.nn.Module, trial: Any) -> None:
        with self.meter.part("checkpoints"):
            super()._save_checkpoint(model, trial)
            self.accelerator.wait_for_everyone()
            if self.args.should_save:
                folder = Path(self.args.output_dir)
                checkpoint = folder / f"checkpoint-{self.state.global_step}"
                self.meter.save(checkpoint)
                checkpoints.seal(checkpoint)
                checkpoints.keep_newest(folder, KEPT)
            self.accelerator.wait_for_everyone()


def _single(batch: list[dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    (micro_batch,) = batch
    return micro_batch
