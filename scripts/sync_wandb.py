"""Send what trainings recorded offline to Weights & Biases; needs a network, and a key in WANDB_API_KEY or in .env."""

from pathlib import Path

from feyntune.core.cli import launch, say


def arguments(parser):
    """Declare the options."""
    parser.add_argument("--folder", type=Path, default=Path("results/wandb"), help="where W&B keeps the recordings")
    parser.add_argument("--checkpoints", type=Path, default=Path("results/checkpoints"), help="of trainings at work")


def main(options):
    """Look, send."""
    from feyntune.core.secrets import WANDB, require_secret
    from feyntune.hub.wandb_sync import send, still_training, unsent

    found = unsent(options.folder)
    waiting = still_training(found, options.checkpoints)
    for recording in waiting:
        say(f"{recording.name}: its training is at work; sync again when it has ended")
    found = [recording for recording in found if recording not in waiting]
    if not found:
        say("nothing to send")
        return
    send(found, require_secret(WANDB, "sync"))


if __name__ == "__main__":
    launch(__doc__, arguments, main)
