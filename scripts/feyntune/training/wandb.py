"""Weights & Biases: the numbers of ``history.parquet`` during training. Its failures never stop a training."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transformers import TrainerCallback

from feyntune.core.cli import say
from feyntune.core.secrets import WANDB, require_secret
from feyntune.training.record import EVALUATION_COLUMNS, STEP_COLUMNS

if TYPE_CHECKING:
    import wandb
    from transformers import TrainerControl, TrainerState, TrainingArguments

    from feyntune.config.schema.training import Tracking

FOLDER = "results"  # W&B creates its folder `wandb` inside
PATIENCE = 30  # seconds that a training waits for W&B at its start and at its end


def wandb_slug(run: str) -> str:
    """A run's name with the characters that W&B allows in ids."""
    return re.sub(r"[^A-Za-z0-9_-]", "-", run)


def wandb_id(run: str, fingerprint: str) -> str:
    """The W&B id of a training: its run, and the digest of its job fingerprint.

    The next job of the same training has the same id and continues the same W&B run; a training with other settings
    is another W&B run.
    """
    return f"{wandb_slug(run)}-{fingerprint[:12]}"


class WandbCallback(TrainerCallback):
    """Sends the trainer's logs to W&B.

    Args:
        tracking: tracking settings.
        run: name of the run.
        identity: from ``wandb_id``.
        settings: the run's settings, as JSON-able content.
    """

    def __init__(self, tracking: Tracking, run: str, identity: str, settings: Mapping[str, Any]) -> None:
        self.run = None
        for mode in dict.fromkeys([tracking.wandb, "offline"]):
            with _warn_on_failure(f"W&B {mode}"):
                self.run = _init(tracking, mode, run, identity, settings)
                break

    def on_log(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, logs: dict[str, Any], **_: Any
    ) -> None:
        """Send a step's numbers; at an evaluation also the table of completions so far."""
        if self.run is None or "train_runtime" in logs:
            return
        with _warn_on_failure("W&B"):
            sent = {name: logs[name] for name in (*STEP_COLUMNS, *EVALUATION_COLUMNS) if name in logs}
            if "control_prompts" in logs:
                sent["completions"] = completions_table(state.log_history)
            self.run.log({"step": state.global_step, **sent})

    def finish(self) -> None:
        """Send what is left, for at most ``PATIENCE`` seconds."""
        if self.run is not None:
            with _warn_on_failure("W&B"):
                self.run.finish()


def _init(tracking: Tracking, mode: str, run: str, identity: str, settings: Mapping[str, Any]) -> wandb.Run:
    import wandb

    if mode == "online":
        os.environ["WANDB_API_KEY"] = require_secret(WANDB, "train")
    Path(FOLDER).mkdir(parents=True, exist_ok=True)
    wandb.teardown()  # an earlier failed attempt still holds the id
    started = wandb.init(
        project=tracking.project,
        entity=tracking.entity,
        name=run,
        id=identity,
        resume="allow",
        mode=mode,
        dir=FOLDER,
        config=dict(settings),
        settings=wandb.Settings(
            init_timeout=PATIENCE,
            finish_timeout=PATIENCE,
            login_timeout=PATIENCE,
            silent=True,
            console="off",
            disable_git=True,  # the address of a remote may contain a password
        ),
    )
    started.define_metric("*", step_metric="step")
    return started


def completions_table(log: Sequence[Mapping[str, Any]]) -> wandb.Table:
    """The paper's table: the prompts in the first row, then one row of completions for each evaluation.

    Args:
        log: ``TrainerState.log_history``.
    """
    import wandb

    evaluations = [entry for entry in log if "control_prompts" in entry]
    papers = evaluations[0]["control_prompts"]
    rows = [["prompt", *(paper["prompt"] for paper in papers)]]
    rows += [
        [str(entry["step"]), *(paper["completion"] for paper in entry["control_prompts"])] for entry in evaluations
    ]
    return wandb.Table(columns=["step", *(paper["id"] for paper in papers)], data=rows)


@contextlib.contextmanager
def _warn_on_failure(what: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # history.parquet has everything, whatever fails here
        say(f"{what} failed, training continues: {type(error).__name__}: {str(error).partition(chr(10))[0][:120]}")
