"""Command-line options that several programs share."""

import argparse
from pathlib import Path

from feyntune.core.cli import named_file


def add_pooled(parser: argparse.ArgumentParser) -> None:
    """Declare the pooled tables of per-abstract results."""
    parser.add_argument("--completions", type=Path, required=True, help="pooled completions")
    parser.add_argument("--perplexity", type=Path, required=True, help="pooled perplexities")
    parser.add_argument(
        "--metrics", nargs="*", type=named_file, default=[], metavar="METRIC=FILE", help="pooled metrics"
    )


def add_checkpoints(parser: argparse.ArgumentParser) -> None:
    """Declare the tables of adapters at evaluation steps; without any, nothing is shown of them."""
    parser.add_argument("--checkpoints", nargs="*", type=Path, default=[], help="checkpoints.py's {run}.parquet")
