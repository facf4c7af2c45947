"""Sending what trainings without a network recorded for W&B, from where there is one."""

import os
import subprocess
import sys
from pathlib import Path

from feyntune.core.cli import say
from feyntune.core.errors import FeynTuneError
from feyntune.core.locks import is_locked
from feyntune.training.tracking import tracking_slug


def unsent(folder):
    """Folders of offline recordings that W&B has not been sent yet, in the order in which they were begun.

    Args:
        folder: where W&B keeps them.
    """
    begun = sorted(Path(folder).glob("offline-run-*"))
    return [each for each in begun if any(each.glob("*.wandb")) and not any(each.glob("*.wandb.synced"))]


def still_training(recordings, checkpoints):
    """Those of the recordings whose training is at work now, by its lock: what is not finished cannot be sent whole.

    Args:
        recordings: folders, from ``unsent``.
        checkpoints: folder with the trainings' folders of checkpoints.
    """
    busy = [tracking_slug(each.name) for each in Path(checkpoints).glob("*/") if is_locked(each)]
    return [each for each in recordings if _slug(each) in busy]


def _slug(recording):
    """The run in a folder's name, ``offline-run-{day}_{time}-{run}-{digest}``."""
    return recording.name.split("-", 3)[3].rsplit("-", 1)[0]


def send(recordings, key):
    """Send recordings; several of one training become one W&B run.

    Args:
        recordings: folders, from ``unsent``.
        key: of W&B; only the process that sends gets it, by its environment.

    Raises:
        FeynTuneError: some could not be sent; what was sent is not sent again.
    """
    command = [sys.executable, "-m", "wandb", "sync", *map(str, recordings)]
    environment = {**os.environ, "WANDB_API_KEY": key, "WANDB_ERROR_REPORTING": "false"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    print(done.stdout, done.stderr, sep="", flush=True)
    left = [each for each in recordings if not any(each.glob("*.wandb.synced"))]
    if left:
        raise FeynTuneError(
            f"W&B took {len(recordings) - len(left)} of {len(recordings)} recordings, not {left[0]}; the log says why"
        )
    say(f"{len(recordings)} recordings sent to W&B")
