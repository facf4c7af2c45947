"""Callbacks of the trainer: when to evaluate, save and stop; and a monitor of the loss."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any

from transformers import TrainerCallback

from feyntune.core.errors import FeynTuneError
from feyntune.training.distributed import broadcast

if TYPE_CHECKING:
    from transformers import TrainerControl, TrainerState, TrainingArguments

    from feyntune.config.schema.training import Training
    from feyntune.core.cli import Progress


LEAST_RESERVE, MOST_RESERVE = 30, 300
"""Seconds before the time limit in which a training stops: a twentieth of the limit, within these bounds. The job ends
later than the training: two processes of Snakemake look after its outputs first."""


class CheckpointCallback(TrainerCallback):
    """Decides when the trainer evaluates, saves a checkpoint, and stops before the job's time limit.

    Args:
        training: training settings.
        limit: seconds after which the job is killed; None: no limit.
        started: ``time.monotonic()`` when the job started.
    """

    def __init__(self, training: Training, limit: float | None, started: float) -> None:
        self.evaluation, self.interval = training.evaluation, 60 * training.checkpoint_minutes
        self.limit, self.started = limit, started
        self.last_save = self.last_step = time.monotonic()
        self.longest_step = 0.0

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Decide after each step. Of several processes, the first one decides for all."""
        now = time.monotonic()
        self.longest_step, self.last_step = max(self.longest_step, now - self.last_step), now
        stop, overdue = broadcast([self._must_stop(now), now - self.last_save > self.interval])
        control.should_evaluate = state.global_step in self.evaluation.steps(state.max_steps)
        control.should_save = control.should_evaluate or overdue or stop
        control.should_training_stop = control.should_training_stop or stop

    def _must_stop(self, now: float) -> bool:
        """Whether the slowest step (with its evaluation and checkpoint), repeated, might exceed the time limit."""
        if self.limit is None:
            return False
        share = min(max(self.limit / 20, LEAST_RESERVE), MOST_RESERVE)
        reserve = max(2 * self.longest_step, share)
        return now - self.started + reserve > self.limit

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Restart the interval to the next checkpoint."""
        self.last_save = time.monotonic()


class LossMonitor(TrainerCallback):
    """Shows the loss, and stops a training that has diverged.

    Args:
        progress: progress over the steps.
    """

    def __init__(self, progress: Progress) -> None:
        self.progress = progress

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any] | None = None,
        **_: Any,
    ) -> None:
        """Check a step's loss. Raises FeynTuneError if it is not finite."""
        assert logs is not None, "the trainer gives its logs"
        if "grad_norm" not in logs:
            return
        if not math.isfinite(logs["loss"]):
            raise FeynTuneError(
                f"the loss is {logs['loss']} at step {state.global_step}; lower training.optimizer.learning_rate,"
                " and check the data if that does not help"
            )
        self.progress.advance(note=f"loss {logs['loss']:.3f}")
