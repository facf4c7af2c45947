"""Complete prompts with vLLM for try.py, which starts this program in vLLM's environment: lines of JSON in and out."""

from __future__ import annotations

import argparse
import os
import sys

from feyntune.core.cli import launch


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare no options: the job is the first line of the standard input."""


def main(options: argparse.Namespace) -> None:
    """Answer on the standard output, to which nothing else is written: libraries' output goes to the error stream."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    from feyntune.evaluation.generation.vllm_worker import work

    work(sys.stdin, answers)


if __name__ == "__main__":
    launch(__doc__, arguments, main)
