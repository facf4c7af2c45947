"""Make the tables that people read: CSV with every digit, LaTeX and HTML."""

import argparse
from pathlib import Path

from feyntune.config.schema.report import TablesStage
from feyntune.core.cli import launch, read_settings
from feyntune.report.options import add_checkpoints, add_pooled


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_pooled(parser)
    add_checkpoints(parser)
    parser.add_argument("--similarity", type=Path, required=True, help="pooled similarity statistics")
    parser.add_argument("--settings", required=True, help="TablesStage, as JSON or a file of it")
    parser.add_argument("--output-folder", type=Path, required=True, help="folder to write into")


def main(options: argparse.Namespace) -> None:
    """Read all results, compute, write."""
    from feyntune.report.results import PooledFiles, read_results
    from feyntune.report.tables import write_tables

    stage = read_settings(TablesStage, options.settings)
    files = PooledFiles(options.completions, options.perplexity, dict(options.metrics))
    results = read_results(files, stage.metrics, stage.unlike_base)
    write_tables(results, options.similarity, stage, options.output_folder, options.checkpoints)


if __name__ == "__main__":
    launch(__doc__, arguments, main)
