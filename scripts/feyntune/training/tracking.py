"""Experiment trackers: they receive the numbers of ``history.parquet`` during training, and never stop a training.

TensorBoard and Trackio write to local folders. Weights & Biases is in its own module.
"""

from __future__ import annotations

import abc
import contextlib
import importlib.util
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transformers import TrainerCallback

from feyntune.core.cli import say
from feyntune.core.errors import FeynTuneError
from feyntune.training.record import EVALUATION_COLUMNS, STEP_COLUMNS

if TYPE_CHECKING:
    from transformers import TrainerControl, TrainerState, TrainingArguments

    from feyntune.config.schema.training import Tracking


def tracking_slug(run: str) -> str:
    """A run's name with the characters that trackers allow in ids."""
    return re.sub(r"[^A-Za-z0-9_-]", "-", run)


def tracking_id(run: str, fingerprint: str) -> str:
    """The id of a training: its run, and the digest of its job fingerprint.

    The next job of the same training has the same id and continues the same record; a training with other settings
    has another one.
    """
    return f"{tracking_slug(run)}-{fingerprint[:12]}"


class Tracker(TrainerCallback, abc.ABC):
    """Sends the trainer's logs to a tracker; subclasses say how.

    Args:
        title: name of the tracker, for messages.
    """

    def __init__(self, title: str) -> None:
        self.title, self.started = title, False

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any] | None = None,
        **_: Any,
    ) -> None:
        """Send the numbers of a step or of an evaluation."""
        assert logs is not None, "the trainer gives its logs"
        if not self.started or "train_runtime" in logs:
            return
        with self.warn_on_failure():
            numbers = {name: logs[name] for name in (*STEP_COLUMNS, *EVALUATION_COLUMNS) if name in logs}
            self.send(state, numbers, logs)

    @abc.abstractmethod
    def send(self, state: TrainerState, numbers: dict[str, float], logs: Mapping[str, Any]) -> None:
        """Send ``numbers`` for the step of ``state``; ``logs`` has all that was logged."""

    @abc.abstractmethod
    def close(self) -> None:
        """Send what is left."""

    def finish(self) -> None:
        """Send what is left, if the tracker has started."""
        if self.started:
            with self.warn_on_failure():
                self.close()

    @contextlib.contextmanager
    def warn_on_failure(self, detail: str = "") -> Iterator[None]:
        """Turn any error of the block into one line of the log: history.parquet has everything in any case."""
        try:
            yield
        except Exception as error:
            reason = f"{error}".partition("\n")[0][:120]
            say(f"{self.title}{detail} failed, training continues: {type(error).__name__}: {reason}")


class TensorboardTracker(Tracker):
    """Writes event files into ``results/tensorboard/{identity}``.

    Args:
        identity: from ``tracking_id``.
        done: steps of earlier jobs of this training; what these logged after them is replaced.
    """

    def __init__(self, identity: str, done: int) -> None:
        super().__init__("TensorBoard")
        with self.warn_on_failure():
            from torch.utils.tensorboard import SummaryWriter

            self.writer = SummaryWriter(
                str(Path("results/tensorboard") / identity), purge_step=done + 1 if done else None
            )
            self.started = True

    def send(self, state: TrainerState, numbers: dict[str, float], logs: Mapping[str, Any]) -> None:
        """Write scalars, and at an evaluation the completions of the control prompts as texts."""
        for name, value in numbers.items():
            self.writer.add_scalar(name, value, state.global_step)
        for paper in logs.get("control_prompts", []):
            self.writer.add_text(f"completions/{paper['id']}", paper["completion"], state.global_step)

    def close(self) -> None:
        """Flush and close the event file."""
        self.writer.close()


class TrackioTracker(Tracker):
    """Writes into Trackio's database in ``results/trackio``, or where ``TRACKIO_DIR`` says.

    Args:
        project: name of the project.
        identity: from ``tracking_id``.
        settings: the run's settings, as JSON-able content.
    """

    def __init__(self, project: str, identity: str, settings: Mapping[str, Any]) -> None:
        super().__init__("Trackio")
        with self.warn_on_failure():
            os.environ.setdefault("TRACKIO_DIR", str(Path("results/trackio").absolute()))
            import trackio

            self.trackio = trackio
            trackio.init(project=project, name=identity, config=dict(settings), resume="allow", embed=False)
            self.started = True

    def send(self, state: TrainerState, numbers: dict[str, float], logs: Mapping[str, Any]) -> None:
        """Log the numbers of a step."""
        self.trackio.log(numbers, step=state.global_step)

    def close(self) -> None:
        """Finish the run."""
        self.trackio.finish()


PACKAGES = {"wandb": "wandb", "tensorboard": "tensorboard", "trackio": "trackio"}
"""The package of each tracker."""


def trackers_of(tracking: Tracking) -> list[str]:
    """The trackers that the settings ask for, in a fixed order."""
    asked = {*tracking.report_to, *(["wandb"] if tracking.wandb != "disabled" else [])}
    return [name for name in PACKAGES if name in asked]


def check_trackers(tracking: Tracking) -> None:
    """Refuse trackers whose package is not installed."""
    for name in trackers_of(tracking):
        if importlib.util.find_spec(PACKAGES[name]) is None:
            raise FeynTuneError(
                f"tracking: {name} is not installed; install it with 'pip install {PACKAGES[name]}', or switch it off"
            )


def start_trackers(
    tracking: Tracking, run: str, identity: str, settings: Mapping[str, Any], done: int
) -> list[Tracker]:
    """Start the trackers that the settings ask for.

    Args:
        tracking: tracking settings.
        run: name of the run.
        identity: from ``tracking_id``.
        settings: the run's settings, as JSON-able content.
        done: steps of earlier jobs of this training.
    """
    started: list[Tracker] = []
    for name in trackers_of(tracking):
        if name == "wandb":
            from feyntune.training.wandb import WandbTracker

            started.append(WandbTracker(tracking, run, identity, settings))
        elif name == "tensorboard":
            started.append(TensorboardTracker(identity, done))
        else:
            started.append(TrackioTracker(tracking.project, identity, settings))
    return started
