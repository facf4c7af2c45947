"""Send what trainings recorded offline to Weights & Biases; needs a network, and a key in WANDB_API_KEY or in .env."""

import argparse
from pathlib import Path

from feyntune.core.cli import launch, say


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--folder", type=Path, default=Path("results/wandb"), help="where W&B keeps the recordings")
    parser.add_argument("--checkpoints", type=Path, default=Path("results/checkpoints"), help="of running trainings")


def main(options: argparse.Namespace) -> None:
    """Send the recordings of trainings that have ended."""
    from feyntune.core.secrets import WANDB, require_secret
    from feyntune.hub.wandb_sync import send, still_training, unsent

    found = unsent(options.folder)
    running = still_training(found, options.checkpoints)
    for recording in running:
        say(f"{recording.name}: its training is running; sync again when it has ended")
    found = [recording for recording in found if recording not in running]
    if not found:
        say("nothing to send")
        return
    send(found, require_secret(WANDB, "sync"))


if __name__ == "__main__":
    launch(__doc__, arguments, main)
