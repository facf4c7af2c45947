"""Write the page on which people search and sort all completions; it opens without a network.

The page needs the folder `data-…` beside it: move or copy them together.
"""

import argparse
from pathlib import Path

from feyntune.config.schema.report import ExploreStage
from feyntune.core.cli import launch, read_settings
from feyntune.report.options import add_pooled


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_pooled(parser)
    parser.add_argument("--settings", required=True, help="ExploreStage, as JSON or a file of it")
    parser.add_argument("--output", type=Path, required=True, help="the page to write")


def main(options: argparse.Namespace) -> None:
    """Read all results, write."""
    from feyntune.report.explore.page import ExploreJob, run
    from feyntune.report.results import PooledFiles

    stage = read_settings(ExploreStage, options.settings)
    files = PooledFiles(options.completions, options.perplexity, dict(options.metrics))
    run(ExploreJob(files, stage.metrics, options.output))


if __name__ == "__main__":
    launch(__doc__, arguments, main)
