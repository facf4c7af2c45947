"""Options that several of the programs share."""

import argparse
from pathlib import Path


def add_pooled(parser):
    """Declare the pooled tables of per-abstract results."""
    parser.add_argument("--completions", type=Path, required=True, help="pooled completions")
    parser.add_argument("--perplexity", type=Path, required=True, help="pooled perplexities")
    parser.add_argument("--scores", nargs="*", type=named_file, default=[], metavar="METRIC=FILE", help="pooled scores")


def read_pooled(options):
    """The results that the options of ``add_pooled`` name."""
    from feyntune.report.results import read_results

    return read_results(options.completions, options.perplexity, dict(options.scores))


def named_file(text):
    """A pair of a name and a path from text of the form ``NAME=FILE``."""
    name, equals, path = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form NAME=FILE")
    return name, Path(path)
