"""Sending to W&B what trainings recorded offline, from a machine with a network."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from feyntune.core.cli import say
from feyntune.core.errors import FeynTuneError
from feyntune.core.locks import is_locked
from feyntune.training.tracking import tracking_slug


def unsent(folder: Path) -> list[Path]:
    """Folders of offline recordings that were not sent yet, oldest first.

    Args:
        folder: where W&B keeps the recordings.
    """
    recordings = sorted(folder.glob("offline-run-*"))
    return [each for each in recordings if any(each.glob("*.wandb")) and not any(each.glob("*.wandb.synced"))]


def still_training(recordings: Sequence[Path], checkpoints: Path) -> list[Path]:
    """Those of the recordings whose training runs now, by its lock: an unfinished recording cannot be sent whole.

    Args:
        recordings: folders, from ``unsent``.
        checkpoints: folder with the trainings' folders of checkpoints.
    """
    running = [tracking_slug(each.name) for each in checkpoints.glob("*/") if is_locked(each)]
    return [each for each in recordings if _slug(each) in running]


def _slug(recording: Path) -> str:
    """The run in a folder's name, ``offline-run-{day}_{time}-{run}-{digest}``."""
    return recording.name.split("-", 3)[3].rsplit("-", 1)[0]


def send(recordings: Sequence[Path], key: str) -> None:
    """Send recordings; several recordings of one training become one W&B run.

    Args:
        recordings: folders, from ``unsent``.
        key: W&B's API key; only the process that sends gets it, in its environment.

    Raises:
        FeynTuneError: W&B is not installed, or some could not be sent; those that were sent are not sent again.
    """
    if importlib.util.find_spec("wandb") is None:
        raise FeynTuneError("W&B is not installed; type `make wandb`, then the same command again")
    command = [sys.executable, "-m", "wandb", "sync", *map(str, recordings)]
    environment = {**os.environ, "WANDB_API_KEY": key, "WANDB_ERROR_REPORTING": "false"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    print(done.stdout, done.stderr, sep="", flush=True)
    left = [each for each in recordings if not any(each.glob("*.wandb.synced"))]
    if left:
        sent = len(recordings) - len(left)
        raise FeynTuneError(f"W&B took {sent} of {len(recordings)} recordings, not {left[0]}; the log says why")
    say(f"{len(recordings)} recordings sent to W&B")
