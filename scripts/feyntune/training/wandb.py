"""Weights & Biases: the numbers of ``history.parquet`` while they come in; no fault of it ever ends a training."""

import contextlib
import os
import re
from pathlib import Path

from transformers import TrainerCallback

from feyntune.core.cli import say
from feyntune.core.secrets import WANDB, require_secret
from feyntune.training.record import MEASURED, STEP


def wandb_slug(run):
    """A run's name as W&B allows it in ids."""
    return re.sub(r"[^A-Za-z0-9_-]", "-", run)


def wandb_id(run, note):
    """The W&B id of a training: of its run, and of the digest of what the training depends on.

    The next job of the same training derives the same id, and continues the same W&B run; a training with other
    settings is another W&B run.
    """
    return f"{wandb_slug(run)}-{note[:12]}"


FOLDER = "results"  # W&B makes its `wandb` inside
PATIENCE = 30  # seconds that a training waits for W&B at its beginning and at its end


class Tracker(TrainerCallback):
    """Sends what ``Trainer`` logs to W&B.

    Args:
        tracking: ``settings.training.Tracking``.
        run: name of the run.
        identity: from ``wandb_id``.
        settings: the run's settings, as JSON-able content.
    """

    def __init__(self, tracking, run, identity, settings):
        self.run = None
        for mode in dict.fromkeys([tracking.wandb, "offline"]):
            with _forgiven(f"W&B {mode}"):
                self.run = _begin(tracking, mode, run, identity, settings)
                break

    def on_log(self, args, state, control, logs, **_):
        """Send a step's numbers; at an evaluation also the paper's table of completions so far."""
        if self.run is None or "train_runtime" in logs:
            return
        with _forgiven("W&B"):
            sent = {name: logs[name] for name in (*STEP, *MEASURED) if name in logs}
            if "control_prompts" in logs:
                sent["completions"] = completions_table(state.log_history)
            self.run.log({"step": state.global_step, **sent})

    def finish(self):
        """Send what is left, for no longer than ``PATIENCE`` seconds."""
        if self.run is not None:
            with _forgiven("W&B"):
                self.run.finish()


def _begin(tracking, mode, run, identity, settings):
    import wandb

    if mode == "online":
        os.environ["WANDB_API_KEY"] = require_secret(WANDB, "train")
    Path(FOLDER).mkdir(parents=True, exist_ok=True)
    wandb.teardown()  # an attempt that failed before holds the id
    begun = wandb.init(
        project=tracking.project,
        entity=tracking.entity,
        name=run,
        id=identity,
        resume="allow",
        mode=mode,
        dir=FOLDER,
        config=settings,
        settings=wandb.Settings(
            init_timeout=PATIENCE,
            finish_timeout=PATIENCE,
            login_timeout=PATIENCE,
            silent=True,
            console="off",
            disable_git=True,  # the address of a remote may hold a password
        ),
    )
    begun.define_metric("*", step_metric="step")
    return begun


def completions_table(log):
    """The paper's table: prompts in the first row, then one row for each evaluation with what the model made of them.

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
def _forgiven(what):
    try:
        yield
    except Exception as error:  # whatever W&B fails of, the training goes on, and the history has everything
        say(f"{what} failed, the training goes on: {type(error).__name__}: {str(error).splitlines()[0][:120]}")
