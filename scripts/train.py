"""Train one adapter; resume from the newest checkpoint of the same training if there is one.

Exit codes: 0, the adapter is complete; 75, stopped before the job's time limit, run again to continue; 2, a fault of
the settings or the data, reported in one line; 1, an unexpected error.
"""

import argparse
import time
from pathlib import Path

from feyntune.config.schema.training import Tracking, TrainingStage
from feyntune.core.cli import about, json_list, launch, read_settings
from feyntune.core.fingerprint import code_fingerprint

STARTED = time.monotonic()


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--base", type=Path, required=True, help="folder of the base model")
    parser.add_argument(
        "--base-names", type=json_list, default=[], help="its names (JSON list); the first goes into the adapter"
    )
    parser.add_argument("--train", type=Path, required=True, help="training split: parquet with id, abstract")
    parser.add_argument("--test", type=Path, required=True, help="test split, for evaluation during training")
    parser.add_argument("--control-prompts", type=Path, required=True, help="papers completed at each evaluation")
    parser.add_argument("--validation", type=Path, help="validation split, if the best step is chosen by it")
    parser.add_argument("--settings", required=True, help="TrainingStage, as JSON or a file of it")
    parser.add_argument("--tracking", default="{}", help="Tracking (Weights & Biases), as JSON or a file of it")
    parser.add_argument("--checkpoints", type=Path, required=True, help="folder for checkpoints, deleted at the end")
    parser.add_argument("--output", type=Path, required=True, help="folder of the adapter, run.json, history.parquet")
    parser.add_argument("--archive", type=Path, help="zip file to write: the adapters at all evaluation steps")
    parser.add_argument("--kept", type=Path, help="folder in which finished results of this run are kept")
    parser.add_argument("--time-limit", type=float, metavar="MINUTES", help="save and stop before this time is over")
    parser.add_argument("--gpus", type=int, default=1, help="data-parallel processes, one per GPU; 0: CPU")


def main(options: argparse.Namespace) -> None:
    """Train."""
    settings = read_settings(TrainingStage, options.settings)
    tracking = read_settings(Tracking, options.tracking)
    about(settings.run)

    from feyntune.training.job import TrainingJob, train

    train(
        TrainingJob(
            base=options.base,
            base_names=options.base_names,
            train=options.train,
            test=options.test,
            control_prompts=options.control_prompts,
            settings=settings,
            tracking=tracking,
            checkpoints=options.checkpoints,
            output=options.output,
            time_limit=_time_limit(options.time_limit),
            started=STARTED,
            gpus=options.gpus,
            code=code_fingerprint(Path(__file__).name),
            kept=options.kept,
            validation=options.validation if settings.training.keep == "best" else None,
            archive=options.archive,
        )
    )


def _time_limit(requested: float | None) -> float | None:
    """Minutes that this process may run: as requested, or what SLURM leaves if that is less; None: no limit."""
    from feyntune.core.slurm import seconds_left

    left = seconds_left()
    if left is None:
        return requested
    minutes = (time.monotonic() - STARTED + left) / 60
    return min(requested, minutes) if requested else minutes


if __name__ == "__main__":
    launch(__doc__, arguments, main)
