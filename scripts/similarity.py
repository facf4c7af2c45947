"""Compute the cosines between all abstracts of an evaluation set in one model's embeddings, and their statistics."""

from __future__ import annotations

import argparse
from pathlib import Path

from feyntune.config.schema.similarity import Similarity
from feyntune.core.cli import launch, read_settings


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--embeddings", type=Path, required=True, help=".pt file of perplexity.py")
    parser.add_argument("--settings", required=True, help="Similarity, as JSON or a file that contains it")
    parser.add_argument("--output", type=Path, required=True, help=".pt file to write, with the matrix")
    parser.add_argument(
        "--statistics", type=Path, required=True, help="JSON file to write, with a flat dict of numbers"
    )


def main(options: argparse.Namespace) -> None:
    """Run the job."""
    settings = read_settings(Similarity, options.settings)

    from feyntune.evaluation.similarity import SimilarityJob, run

    run(SimilarityJob(settings, options.embeddings, options.output, options.statistics))


if __name__ == "__main__":
    launch(__doc__, arguments, main)
