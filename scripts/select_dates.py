"""Take the abstracts of a split whose first version is of certain days, for an evaluation set."""

from __future__ import annotations

import argparse
from pathlib import Path

from feyntune.core.cli import about, launch, read_settings, say


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--split", type=Path, required=True, help="parquet file of a split")
    parser.add_argument("--settings", required=True, help="DatesStage, as JSON or a file of it")
    parser.add_argument("--output", type=Path, required=True, help="parquet file to write")


def main(options: argparse.Namespace) -> None:
    """Read, select, write."""
    from feyntune.config.schema.evaluation import DatesStage
    from feyntune.core.files import write_table
    from feyntune.data.evaluation_sets import select_dates

    stage = read_settings(DatesStage, options.settings)
    about(options.output.stem)
    papers = select_dates(options.split, stage)
    write_table(options.output, papers.replace_schema_metadata(None))
    say(f"{len(papers):,} abstracts from {stage.since or 'the beginning'} until {stage.until or 'the end'}")


if __name__ == "__main__":
    launch(__doc__, arguments, main)
