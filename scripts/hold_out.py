"""Remove the abstracts of evaluation sets from a training split (leaks.policy: hold_out)."""

from __future__ import annotations

import argparse
from pathlib import Path

from feyntune.core.cli import about, launch, read_settings, say


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--train", type=Path, required=True, help="parquet file of the training split")
    parser.add_argument("--held-out", type=Path, nargs="+", required=True, help="parquet files that must stay unseen")
    parser.add_argument("--settings", required=True, help="HoldOutStage, as JSON or a JSON file")
    parser.add_argument("--output", type=Path, required=True, help="parquet file with the rest of the training split")
    parser.add_argument("--summary", type=Path, required=True, help="JSON: how many abstracts were removed, and why")


def main(options: argparse.Namespace) -> None:
    from feyntune.config.schema.evaluation import HoldOutStage
    from feyntune.core.files import write_json, write_table
    from feyntune.data.evaluation_sets import hold_out

    stage = read_settings(HoldOutStage, options.settings)
    about(stage.dataset)
    papers, summary = hold_out(stage, options.train, options.held_out)
    write_table(options.output, papers.replace_schema_metadata(None))
    write_json(options.summary, summary)
    say(f"{papers.num_rows:,} abstracts to train on; {sum(summary['dropped'].values()):,} held out")


if __name__ == "__main__":
    launch(__doc__, arguments, main)
