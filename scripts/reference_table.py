"""Write the results of all runs on an evaluation set as one table in the reference's schema, with its card."""

import argparse
from pathlib import Path

from feyntune.config.schema.hub import ReferenceStage
from feyntune.core.cli import about, launch, read_settings


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--dataset", type=Path, required=True, help="parquet file with the abstracts")
    parser.add_argument("--results", type=Path, required=True, help="folder of results")
    parser.add_argument("--settings", required=True, help="ReferenceStage, as JSON or a file of it")
    parser.add_argument("--output", type=Path, required=True, help="parquet file to write")
    parser.add_argument("--card", type=Path, required=True, help="Markdown file to write")


def main(options: argparse.Namespace) -> None:
    """Write the table and its card."""
    stage = read_settings(ReferenceStage, options.settings)
    about(f"{stage.kind} {stage.set}")

    from feyntune.hub.publish import ReferenceTableJob, write_reference_table

    write_reference_table(ReferenceTableJob(stage, options.dataset, options.results, options.output, options.card))


if __name__ == "__main__":
    launch(__doc__, arguments, main)
