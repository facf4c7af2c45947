"""Mix datasets, split by split, and drop from the training split what its runs are evaluated on."""

from __future__ import annotations

import argparse
from pathlib import Path

from feyntune.core.cli import about, launch, read_settings, say


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--datasets", type=Path, required=True, help="folder of the datasets that the mixture refers to"
    )
    parser.add_argument("--held-out", type=Path, nargs="+", required=True, help="splits that must stay unseen")
    parser.add_argument("--settings", required=True, help="MixtureStage, as JSON or a JSON file")
    parser.add_argument("--folder", type=Path, required=True, help="folder for the splits and summary.json")


def main(options: argparse.Namespace) -> None:
    from feyntune.config.schema.data import MixtureStage
    from feyntune.data.dataset_files import write_dataset
    from feyntune.data.mix import mix_datasets

    about(options.folder.name)
    stage = read_settings(MixtureStage, options.settings)
    content = mix_datasets(stage, options.datasets, options.held_out)
    say(write_dataset(options.folder, content, stage, {}))


if __name__ == "__main__":
    launch(__doc__, arguments, main)
