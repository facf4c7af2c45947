"""Write the card of a merged model into its folder; needs no network."""

import argparse
from pathlib import Path

from feyntune.config.schema.hub import MergedCardStage
from feyntune.core.cli import about, launch, read_settings


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--base", type=Path, required=True, help="folder of the base model, for its licence")
    parser.add_argument("--settings", required=True, help="MergedCardStage, as JSON or a file of it")
    parser.add_argument("--tables", type=Path, help="folder of tables; default: a card without results")
    parser.add_argument("--folder", type=Path, required=True, help="folder of the merged model")


def main(options: argparse.Namespace) -> None:
    """Write the card."""
    stage = read_settings(MergedCardStage, options.settings)
    about(stage.run)

    from feyntune.hub.publish import MergedCardJob, write_merged_card

    write_merged_card(MergedCardJob(stage, options.base, options.folder, options.tables))


if __name__ == "__main__":
    launch(__doc__, arguments, main)
