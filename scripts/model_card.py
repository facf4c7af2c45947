"""Write the card of an adapter or a trained model, to read before a push, with its figure; needs no network."""

import argparse
from pathlib import Path

from feyntune.config.schema.hub import CardStage
from feyntune.core.cli import about, launch, read_settings


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--trained", type=Path, required=True, help="folder of the adapter or the model")
    parser.add_argument("--base", type=Path, required=True, help="folder of the base model, for its licence")
    parser.add_argument("--dataset", type=Path, required=True, help="summary.json of the training data")
    parser.add_argument("--tables", type=Path, required=True, help="folder of tables")
    parser.add_argument("--settings", required=True, help="CardStage, as JSON or a file of it")
    parser.add_argument("--output-folder", type=Path, required=True, help="where README.md and the figure go")


def main(options: argparse.Namespace) -> None:
    """Write the card and its figure."""
    stage = read_settings(CardStage, options.settings)
    about(stage.run)

    from feyntune.hub.publish import CardJob, write_adapter_card

    write_adapter_card(
        CardJob(stage, options.trained, options.base, options.dataset, options.tables, options.output_folder)
    )


if __name__ == "__main__":
    launch(__doc__, arguments, main)
