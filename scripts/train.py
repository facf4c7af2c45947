"""Train one adapter, going on from the newest checkpoint of the same training if there is one.

Exit codes: 0, the adapter is in place; 75, stopped in time before the job's limit, run again to go on; 2, a fault of
the settings or the data, told in one line; 1, an unforeseen error.
"""

import json
import time
from pathlib import Path

from feyntune.config.schema.training import Tracking, TrainingStage
from feyntune.core.cli import about, launch, read_settings

STARTED = time.monotonic()


def arguments(parser):
    """Declare the options."""
    parser.add_argument("--base", type=Path, required=True, help="folder of the base model")
    parser.add_argument("--base-names", type=json.loads, help="its names (JSON list); the first goes into the adapter")
    parser.add_argument("--train", type=Path, required=True, help="training split: parquet with id, abstract")
    parser.add_argument("--test", type=Path, required=True, help="test split, measured while the model learns")
    parser.add_argument("--control-prompts", type=Path, required=True, help="papers completed at each evaluation")
    parser.add_argument("--settings", required=True, help="TrainingStage, as JSON or a file of it")
    parser.add_argument("--tracking", default="{}", help="Tracking (Weights & Biases), as JSON or a file of it")
    parser.add_argument("--checkpoints", type=Path, required=True, help="folder for checkpoints, removed at the end")
    parser.add_argument("--output", type=Path, required=True, help="folder of the adapter, run.json, history.parquet")
    parser.add_argument(
        "--time-limit", type=float, metavar="MINUTES", help="stop in time before so many minutes are up"
    )
    parser.add_argument("--gpus", type=int, default=1, help="processes that train together, one a GPU; 0: CPU")


def main(options):
    """Train."""
    options.settings = read_settings(TrainingStage, options.settings)
    options.tracking = read_settings(Tracking, options.tracking)
    options.started = STARTED
    options.time_limit = _time_limit(options.time_limit)
    about(options.settings.run)

    from feyntune.training.job import train

    train(options)


def _time_limit(asked):
    """Minutes that this process may take: what was asked for, or what SLURM leaves of it."""
    from feyntune.core.slurm import seconds_left

    left = seconds_left()
    if left is None:
        return asked
    left = (time.monotonic() - STARTED + left) / 60
    return min(asked, left) if asked else left


if __name__ == "__main__":
    launch(__doc__, arguments, main)
