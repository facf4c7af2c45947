"""The training loop: transformers' Trainer on packed pieces, with our checkpoints, measurements and clock."""

import contextlib
import math
import time
from pathlib import Path

import torch
from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments

from feyntune.core.errors import FeynTuneError
from feyntune.training import checkpoints
from feyntune.training.distributed import is_launched
from feyntune.training.record import save_adapter

KEPT = 2  # checkpoints on disk: while the newest is written, there is another


def training_arguments(stage, steps, pieces, folder, device):
    """What ``Trainer`` is told; what it leaves to us (logs, evaluations, checkpoints) is switched off.

    Args:
        stage: ``settings.training.TrainingStage``.
        steps: number of steps.
        pieces: pieces that each device works through in a step.
        folder: folder of the checkpoints.
        device: a ``torch.device``.
    """
    training, optimizer, schedule = stage.training, stage.training.optimizer, stage.training.schedule
    arguments = TrainingArguments(
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
        ddp_backend="gloo" if device.type == "cpu" and is_launched() else None,
        ddp_find_unused_parameters=False,
        eval_strategy="no",
        save_strategy="no",
        logging_steps=1,
        logging_nan_inf_filter=False,
        report_to="none",
        disable_tqdm=True,
    )
    arguments._n_gpu = min(arguments.n_gpu, 1)  # further visible GPUs are not ours: no DataParallel over them
    return arguments


class AdapterTrainer(Trainer):
    """Trainer of one adapter.

    Args:
        evaluator: ``evaluation.Evaluator``.
        meter: ``meter.Meter``.
        dtype: number format of the computation.
        others: as ``Trainer`` takes them.
    """

    def __init__(self, *, evaluator, meter, dtype, **others):
        super().__init__(data_collator=_only, **others)
        self.evaluator, self.meter, self.dtype = evaluator, meter, dtype
        self.remove_callback(PrinterCallback)

    def train(self, checkpoint):
        """Train to the last step, or until a callback stops it; on from a checkpoint, or from the start if None."""
        self.meter.start(checkpoint)
        self.args.eval_on_start = checkpoint is None
        return super().train(resume_from_checkpoint=checkpoint and str(checkpoint))

    def training_step(self, model, inputs, num_items_in_batch=None):
        """One piece, forward and backward."""
        self.meter.computed += inputs["input_ids"].numel() * self.args.world_size
        return super().training_step(model, inputs, num_items_in_batch)

    def autocast_smart_context_manager(self, cache_enabled=True):
        """Compute in bfloat16 (adapters are kept in float32); accelerate's own way would copy all logits to float32."""
        if self.dtype is torch.bfloat16:
            return torch.autocast(self.args.device.type, self.dtype, cache_enabled=cache_enabled)
        return contextlib.nullcontext()

    def evaluate(self, *_, **__):
        """Measure the model as it is now; nothing of it touches the random numbers of training."""
        self.model.eval()
        with self.meter.part("evaluation"), torch.random.fork_rng(), self.autocast_smart_context_manager():
            measured = self.evaluator(self.model)
        self.log(measured)
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, measured)
        return measured

    def _save(self, output_dir=None, state_dict=None):
        if self.args.should_save:
            save_adapter(self.model, output_dir)

    def _save_checkpoint(self, model, trial):
        with self.meter.part("checkpoints"):
            super()._save_checkpoint(model, trial)
            self.accelerator.wait_for_everyone()
            if self.args.should_save:
                checkpoint = Path(self.args.output_dir) / f"checkpoint-{self.state.global_step}"
                self.meter.save(checkpoint)
                checkpoints.seal(checkpoint)
                checkpoints.keep_newest(self.args.output_dir, KEPT)
            self.accelerator.wait_for_everyone()


def _only(pieces):
    (piece,) = pieces
    return piece


class Pace(TrainerCallback):
    """Says when to evaluate, to save and to stop.

    Args:
        training: ``settings.training.Training``.
        limit: seconds after which the job is killed; None if never.
        started: ``time.monotonic()`` when the job began.
    """

    def __init__(self, training, limit, started):
        self.times, self.between = training.evaluation.times, 60 * training.checkpoint_minutes
        self.limit, self.started = limit, started
        self.saved = self.last = time.monotonic()
        self.longest = 0.0

    def on_step_end(self, args, state, control, **_):
        """Decide after each step; several processes do as the first one's clock says."""
        now = time.monotonic()
        self.longest, self.last = max(self.longest, now - self.last), now
        late, overdue = _agreed(self._is_late(now), now - self.saved > self.between)
        control.should_evaluate = state.global_step in evaluation_steps(state.max_steps, self.times)
        control.should_save = control.should_evaluate or overdue or late
        control.should_training_stop = control.should_training_stop or late

    def _is_late(self, now):
        """Whether another step, evaluation or checkpoint as slow as the slowest one might not be over in time."""
        if self.limit is None:
            return False
        reserve = max(2 * self.longest, min(300, self.limit / 20))
        return now - self.started + reserve > self.limit

    def on_save(self, args, state, control, **_):
        """Count the time to the next checkpoint from here."""
        self.saved = time.monotonic()


def _agreed(*decisions):
    from accelerate import PartialState
    from accelerate.utils import broadcast_object_list

    return broadcast_object_list(list(decisions)) if PartialState().num_processes > 1 else decisions


class Watch(TrainerCallback):
    """Shows people the loss, and stops a training that has diverged.

    Args:
        progress: ``program.Progress`` over the steps.
    """

    def __init__(self, progress):
        self.progress = progress

    def on_log(self, args, state, control, logs, **_):
        """Look at a step's loss."""
        if "grad_norm" not in logs:
            return
        if not math.isfinite(logs["loss"]):
            raise FeynTuneError(
                f"the loss is {logs['loss']} at step {state.global_step}; lower training.optimizer.learning_rate,"
                " and look at the data if that does not help"
            )
        self.progress.advance(note=f"loss {logs['loss']:.3f}")


def evaluation_steps(steps, times):
    """The steps after which a run is evaluated and saved: ``times`` equal parts of it, the last step among them."""
    return {round(steps * part / times) for part in range(1, times + 1)} - {0}
