"""The training loop: transformers' Trainer on packed micro-batches, with our checkpoints, evaluation and clock."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
from peft import PeftModel
from transformers import PrinterCallback, Trainer

from feyntune.core.cli import say
from feyntune.core.system_errors import writing
from feyntune.models.memory import free_unused_memory, is_out_of_memory
from feyntune.training import checkpoints
from feyntune.training.adapter import save_adapter
from feyntune.training.distributed import any_process, average_gradients
from feyntune.training.full import save_checkpoint
from feyntune.training.sharding import compute_inside, divide_on_cpus, gathered_weights

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from feyntune.training.evaluation import Evaluator
    from feyntune.training.fit import FitPlan
    from feyntune.training.loss import NextTokenLoss
    from feyntune.training.microbatches import MicroBatches
    from feyntune.training.record import Meter
    from feyntune.training.step_adapters import StepAdapters

KEPT = 2  # checkpoints on disk: the previous one stays until the newest is complete


class AdapterTrainer(Trainer):
    """Trainer of one adapter, or of all weights of one model.

    To ``Trainer`` a step is one batch; this class divides it into micro-batches.

    Args:
        micro_batches: micro-batches of all steps.
        fits: how steps are divided into micro-batches.
        loss: loss of the model.
        evaluator: evaluates the model.
        meter: counts time and tokens.
        dtype: number format of the computation.
        lora_plus_ratio: learning rate of B matrices as a multiple of that of A matrices; None: no difference.
        initial: initial weights of the adapter, if its publication needs them.
        step_adapters: copies of the adapter at the evaluation steps, if they are needed.
        others: arguments of ``Trainer``.
    """

    model: PeftModel | PreTrainedModel
    loss_is_scaled_for_ga = True  # our loss is divided by all tokens of the step

    def __init__(
        self,
        *,
        micro_batches: MicroBatches,
        fits: FitPlan,
        loss: NextTokenLoss,
        evaluator: Evaluator,
        meter: Meter,
        dtype: torch.dtype,
        lora_plus_ratio: float | None = None,
        initial: Mapping[str, torch.Tensor] | None = None,
        step_adapters: StepAdapters | None = None,
        **others: Any,
    ) -> None:
        super().__init__(train_dataset=micro_batches, data_collator=_step_input, **others)
        self.micro_batches, self.fits, self.loss = micro_batches, fits, loss
        self.evaluator, self.meter, self.dtype = evaluator, meter, dtype
        self.lora_plus_ratio, self.initial, self.step_adapters = lora_plus_ratio, initial, step_adapters
        self.gathered: dict[str, torch.Tensor] | None = None
        self.remove_callback(PrinterCallback)
        self._apply_fit()

    def train(self, checkpoint: Path | None) -> Any:  # type: ignore[override]  # Trainer's other arguments have no use
        """Train until the last step or until a callback stops it; resume from a checkpoint if there is one."""
        self.meter.start(checkpoint)
        self.meter.add_fit(checkpoints.step_of(checkpoint), self.fits.current)
        self.args.eval_on_start = checkpoint is None
        return super().train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)

    def create_accelerator_and_postprocess(self) -> None:
        """Create the accelerator; see ``sharding.divide_on_cpus``."""
        super().create_accelerator_and_postprocess()
        if self.args.fsdp_plugin_args and self.args.device.type == "cpu":
            divide_on_cpus(self.accelerator, self.args.fsdp_plugin_args)
            self.is_fsdp_enabled = True

    def _prepare_for_training(self, *arguments: Any) -> Any:
        prepared = super()._prepare_for_training(*arguments)
        if self.is_fsdp_enabled:
            compute_inside(self.model, self.loss)
        return prepared

    def gather(self) -> None:
        """Gather the trained weights for the first process to save, if they are divided; all processes must call it."""
        self.gathered = gathered_weights(self.model) if self.is_fsdp_enabled else None

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        """Save the weights in a checkpoint; those of a divided model are in accelerate's own file."""
        if not self.is_fsdp_enabled:
            super().save_model(output_dir, _internal_call)

    def create_optimizer(self, model: torch.nn.Module | None = None) -> torch.optim.Optimizer:
        """The optimizer; with LoRA+, groups of parameters with their own learning rates."""
        if self.lora_plus_ratio and self.optimizer is None:
            from peft.optimizers import create_loraplus_optimizer

            kind, given = self.get_optimizer_cls_and_kwargs(self.args, cast("PreTrainedModel", self.model))
            decay = {"loraplus_weight_decay": self.args.weight_decay}
            self.optimizer = create_loraplus_optimizer(
                cast("PeftModel", self.model), kind, loraplus_lr_ratio=self.lora_plus_ratio, **given, **decay
            )
        return super().create_optimizer(model)

    def training_step(
        self, model: torch.nn.Module, inputs: dict[str, Any], num_items_in_batch: torch.Tensor | int | None = None
    ) -> torch.Tensor:
        """Forward and backward passes of this device's part of a step; returns the loss.

        If a device runs out of memory, all of them repeat the step, divided further.

        Raises:
            torch.OutOfMemoryError: or another error that means the same, and the settings allow no further division.
        """
        loss = self._try_step(model, inputs["step"])
        while loss is None:
            loss = self._try_step(model, inputs["step"])
        if not self.is_fsdp_enabled:
            average_gradients(model)
        return loss

    def _try_step(self, model: torch.nn.Module, step: int) -> torch.Tensor | None:
        if self.is_fsdp_enabled:
            return self._forward_backward(model, step)  # a step that fails in between cannot be repeated
        random_state, error, loss = _random_state(self.args.device), None, None
        try:
            loss = self._forward_backward(model, step)
        except Exception as caught:
            if not is_out_of_memory(caught):
                raise
            error = caught.with_traceback(None)  # whose frames hold tensors
        if any_process(error is not None):
            self._shrink(model, step, error)
            _set_random_state(self.args.device, random_state)
            return None
        return loss

    def _forward_backward(self, model: torch.nn.Module, step: int) -> torch.Tensor:
        batches = self.micro_batches.of_step(step, self.args.process_index, self.fits.current.micro_batches)
        tokens = self.micro_batches.target_tokens(step)
        losses = [super(AdapterTrainer, self).training_step(model, batch, tokens) for batch in batches]
        self.meter.computed += sum(batch["input_ids"].numel() for batch in batches) * self.args.world_size
        return sum(losses[1:], losses[0])

    def _shrink(self, model: torch.nn.Module, step: int, error: Exception | None) -> None:
        """Divide steps further, and forget the gradients of the one that failed."""
        if not self.fits.shrink():
            raise error or torch.OutOfMemoryError("another process of this training is out of memory")
        say(f"out of memory in step {step + 1}: repeating it with {self.fits}")
        model.zero_grad(set_to_none=True)
        self._apply_fit()
        free_unused_memory()
        self.meter.add_fit(step, self.fits.current)

    def _apply_fit(self) -> None:
        if self.fits.current.recompute:
            self.loss.model.activation_checkpointing_enable({"use_reentrant": False})
        elif self.loss.model.is_activation_checkpointing:
            self.loss.model.activation_checkpointing_disable()
        self.evaluator.resize(self.fits)

    def compute_loss(
        self,
        model: torch.nn.Module,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> torch.Tensor:
        """The part of a micro-batch in the step's mean loss, times the processes over which gradients are averaged.

        The forward pass is not that of the DistributedDataParallel wrapper, so its hooks leave the gradients alone.
        """
        assert num_items_in_batch is not None, "training_step gives the tokens of the step"
        return self.loss.total(inputs) * (self.args.world_size / num_items_in_batch)

    def autocast_smart_context_manager(
        self, cache_enabled: bool | None = True
    ) -> contextlib.AbstractContextManager[None]:
        """Compute in ``dtype``; trained weights stay in float32."""
        if self.dtype is not torch.float32:
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

    def save_adapter(self, folder: Path) -> None:
        """Write the adapter as it is published, for the unchanged base model."""
        save_adapter(cast("PeftModel", self.model), folder, self.initial, self.gathered)

    def _save(self, output_dir: str | None = None, state_dict: dict[str, torch.Tensor] | None = None) -> None:
        if self.args.should_save:
            folder = Path(output_dir or cast("str", self.args.output_dir))
            folder.mkdir(parents=True, exist_ok=True)
            if isinstance(self.model, PeftModel):
                save_adapter(self.model, folder)
            else:
                save_checkpoint(self.model, folder)

    def _save_checkpoint(self, model: torch.nn.Module, trial: Any) -> None:
        folder = Path(cast("str", self.args.output_dir))
        checkpoint = folder / f"checkpoint-{self.state.global_step}"
        with self.meter.part("checkpoints"), writing(checkpoint):
            if self.is_fsdp_enabled:
                checkpoint.mkdir(parents=True, exist_ok=True)
            super()._save_checkpoint(model, trial)
            if self.step_adapters:
                self.gather()
            self.accelerator.wait_for_everyone()
            if self.args.should_save:
                if self.step_adapters:
                    self.step_adapters.keep(self.state.global_step, self.save_adapter)
                self.meter.save(checkpoint)
                checkpoints.seal(checkpoint)
                checkpoints.keep_newest(folder, KEPT)
                if self.step_adapters:
                    self.step_adapters.remove_unneeded(self.state.log_history)
            self.accelerator.wait_for_everyone()


def _random_state(device: torch.device) -> list[torch.Tensor]:
    """The state of the random generators of the CPU and of the GPU in use."""
    return [torch.get_rng_state(), *([torch.cuda.get_rng_state(device)] if device.type == "cuda" else [])]


def _set_random_state(device: torch.device, state: list[torch.Tensor]) -> None:
    torch.set_rng_state(state[0])
    if device.type == "cuda":
        torch.cuda.set_rng_state(state[1], device)


def _step_input(steps: list[int]) -> dict[str, int]:
    (step,) = steps
    return {"step": step}
