"""What a training is called at W&B."""

import re


def wandb_slug(run):
    """A run's name as W&B allows it in ids."""
    return re.sub(r"[^A-Za-z0-9_-]", "-", run)


def wandb_id(run, note):
    """The W&B id of a training: of its run, and of the digest of what the training depends on.

    The next job of the same training derives the same id, and continues the same W&B run; a training with other
    settings is another W&B run.
    """
    return f"{wandb_slug(run)}-{note[:12]}"
