"""Command-line options that several programs share."""

import argparse
from pathlib import Path


def add_pooled(parser: argparse.ArgumentParser) -> None:
    """Declare the pooled tables of per-abstract results."""
    parser.add_argument("--completions", type=Path, required=True, help="pooled completions")
    parser.add_argument("--perplexity", type=Path, required=True, help="pooled perplexities")
    parser.add_argument(
        "--metrics", nargs="*", type=named_file, default=[], metavar="METRIC=FILE", help="pooled metrics"
    )


def named_file(text: str) -> tuple[str, Path]:
    """A name and a path from text of the form ``NAME=FILE``."""
    name, equals, path = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form NAME=FILE")
    return name, Path(path)
