"""Check the settings of trainings before any of them starts: layers, optimizer, schedule, batch size, lengths.

Snakemake deletes the outputs of a job before it starts; a fault that is found here costs no finished adapter. It needs
no GPU. Exit code 2: a training cannot run.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from feyntune.config.schema.training import Tracking, TrainingStage
from feyntune.core.cli import launch, read_settings
from feyntune.core.errors import FeynTuneError
from feyntune.core.files import read_json
from feyntune.core.fingerprint import code_fingerprint
from feyntune.core.gpus import give_gpus
from feyntune.training.early import PlannedTraining, refuse_faults


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--trainings", type=Path, required=True, help="JSON file with `trainings`, as PlannedTraining")
    parser.add_argument("--tracking", default="{}", help="Tracking, as JSON or a file of it")
    parser.add_argument("--record", type=Path, required=True, help="JSON file: what passed; it is not checked again")


def main(options: argparse.Namespace) -> None:
    """Check, on the CPU."""
    give_gpus(0, os.environ)
    trainings = [
        PlannedTraining(
            **{**each, "base": Path(each["base"]), "settings": TrainingStage.model_validate_json(each["settings"])}
        )
        for each in read_json(options.trainings)["trainings"]
    ]
    tracking = read_settings(Tracking, options.tracking)
    try:
        refuse_faults(trainings, tracking, code_fingerprint(Path(__file__).name), options.record)
    except FeynTuneError as error:
        raise FeynTuneError(f"{error}; no job was started") from None


if __name__ == "__main__":
    launch(__doc__, arguments, main)
