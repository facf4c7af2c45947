"""The training loop: transformers' Trainer on packed pieces, with our checkpoints, measurements and clock."""

import contextlib
import math
import time
from pathlib import Path

import torch
from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments

from feyntune.errors import FeynTuneError
from feyntune.program import Progress
from feyntune.training import checkpoints
from feyntune.training.record import save_adapter

KEPT = 2  # checkpoints on disk: the newest may be torn


def training_arguments(stage, steps, pieces, folder, device, resuming):
    """What ``Trainer`` is told; what it leaves to us (logs, evaluations, checkpoints) is switched off.

    Args:
        stage: ``settings.training.TrainingStage``.
        steps: number of steps.
        pieces: pieces that each device works through in a step.
        folder: folder of the checkpoints.
        device: a ``torch.device``.
        resuming: whether a checkpoint is gone on from.
    """
    training, optimizer, schedule = stage.training, stage.training.optimizer, stage.training.schedule
    return TrainingArguments(
        output_dir=str(folder),
        max_steps=steps,
        per_device_train_batch_size=1,
        gradient_accumulation_steps=pieces,
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
        ddp_find_unused_parameters=False,
        eval_on_start=not resuming,
        eval_strategy="no",
        save_strategy="no",
        logging_steps=1,
        logging_nan_inf_filter=False,
        report_to="none",
        disable_tqdm=True,
    )


class AdapterTrainer(Trainer):
    """Trainer of one adapter.

    Args:
        measure: a function without arguments that evaluates the model and gives what the history keeps of it.
        dtype: number format of the computation.
        Others: as ``Trainer``.
    """

    def __init__(self, *arguments, measure, dtype, **others):
        super().__init__(*arguments, data_collator=_only, **others)
        self.measure, self.dtype = measure, dtype
        self.remove_callback(PrinterCallback)

    def autocast_smart_context_manager(self, cache_enabled=True):
        """Compute in bfloat16 (adapters are kept in float32); accelerate's own way would copy all logits to float32."""
        if self.dtype is torch.bfloat16:
            return torch.autocast(self.args.device.type, self.dtype, cache_enabled=cache_enabled)
        return contextlib.nullcontext()

    def evaluate(self, *_, **__):
        """Measure the model as it is now; nothing of it touches the random numbers of training."""
        training = self.model.training
        self.model.eval()
        with torch.inference_mode(), torch.random.fork_rng(), self.autocast_smart_context_manager():
            measured = self.measure()
        self.model.train(training)
        self.log(measured)
        return measured

    def _save(self, output_dir=None, state_dict=None):
        if self.args.should_save:
            save_adapter(self.model, output_dir)

    def _save_checkpoint(self, model, trial):
        super()._save_checkpoint(model, trial)
        self.accelerator.wait_for_everyone()
        if self.args.should_save:
            folder = Path(self.args.output_dir)
            checkpoints.seal(folder / f"checkpoint-{self.state.global_step}")
            checkpoints.keep_newest(folder, KEPT)


def _only(pieces):
    (piece,) = pieces
    return piece


class Pace(TrainerCallback):
    """Says when to evaluate, to save and to stop, and how far the training is.

    Args:
        times: evaluations (and checkpoints) over the whole training.
        checkpoint_minutes: longest time between two checkpoints.
        deadline: ``time.monotonic()`` at which the job is killed; None if never.
        progress: a ``Progress`` over the steps.
    """

    def __init__(self, times, checkpoint_minutes, deadline, progress):
        self.times, self.checkpoint_seconds, self.deadline, self.progress = (
            times,
            checkpoint_minutes * 60,
            deadline,
            progress,
        )
        self.saved = self.last = time.monotonic()
        self.longest = 0.0

    def on_step_end(self, args, state, control, **_):
        """Decide after each step."""
        now = time.monotonic()
        self.longest, self.last = max(self.longest, now - self.last), now
        due = state.global_step in evaluation_steps(state.max_steps, self.times)
        late = self.deadline is not None and now + 2 * self.longest > self.deadline
        control.should_evaluate = due
        control.should_save = due or late or now - self.saved > self.checkpoint_seconds
        control.should_training_stop = control.should_training_stop or late

    def on_save(self, args, state, control, **_):
        """Count the time to the next checkpoint from here."""
        self.saved = time.monotonic()

    def on_log(self, args, state, control, logs, **_):
        """Show the loss, and stop a training that has diverged."""
        if "grad_norm" in logs:
            if not math.isfinite(logs["loss"]):
                raise FeynTuneError(
                    f"the loss is {logs['loss']} at step {state.global_step}; lower training.optimizer.learning_rate"
                )
            self.progress.advance(note=f"loss {logs['loss']:.3f}")


def evaluation_steps(steps, times):
    """The steps after which a run is evaluated and saved: ``times`` equal parts of it, the last step among them."""
    return {round(steps * part / times) for part in range(1, times + 1)} - {0}


__all__ = ["AdapterTrainer", "Pace", "Progress", "evaluation_steps", "training_arguments"]
