"""Weights & Biases as a tracker of trainings; imported only when it is used."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from feyntune.core.secrets import WANDB, require_secret
from feyntune.training.tracking import Tracker

if TYPE_CHECKING:
    import wandb
    from transformers import TrainerState

    from feyntune.config.schema.training import Tracking

FOLDER = Path("results")  # W&B creates its folder `wandb` inside
PATIENCE = 30  # seconds that a training waits for W&B at its start and at its end


class WandbTracker(Tracker):
    """Sends the trainer's logs to W&B, or records them in ``results/wandb`` for a later sync.

    Args:
        tracking: tracking settings.
        run: name of the run.
        identity: from ``tracking_id``.
        settings: the run's settings, as JSON-able content.
    """

    def __init__(self, tracking: Tracking, run: str, identity: str, settings: Mapping[str, Any]) -> None:
        super().__init__("W&B")
        wanted = "offline" if tracking.wandb == "disabled" else tracking.wandb
        for mode in dict.fromkeys([wanted, "offline"]):
            with self.warn_on_failure(f" {mode}"):
                self.run = _init(tracking, mode, run, identity, settings)
                self.started = True
                break

    def send(self, state: TrainerState, numbers: dict[str, float], logs: Mapping[str, Any]) -> None:
        """Send a step's numbers; at an evaluation also the table of completions so far."""
        tables = {"completions": completions_table(state.log_history)} if "control_prompts" in logs else {}
        self.run.log({"step": state.global_step, **numbers, **tables})

    def close(self) -> None:
        """Send what is left, for at most ``PATIENCE`` seconds."""
        self.run.finish()


def _init(
    tracking: Tracking, mode: Literal["offline", "online"], run: str, identity: str, settings: Mapping[str, Any]
) -> wandb.Run:
    import wandb

    if mode == "online":
        os.environ["WANDB_API_KEY"] = require_secret(WANDB, "train")
    FOLDER.mkdir(parents=True, exist_ok=True)
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
