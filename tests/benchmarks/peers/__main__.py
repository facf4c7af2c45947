"""Measure this project's way and other programs' side by side, each with one thread, and write tables and a figure.

    make bench-peers                          # everything
    make bench-peers ARGS="--only lm-eval-1"  # some of it

Abstracts are those of the embedded default, or real ones from the folder FEYNTUNE_REAL_DATA; models have random
weights. Each benchmark first asserts that both give the same; then they take turns. Models stay loaded, that of the
other program in a process of its own.
"""

import os
import sys
from pathlib import Path

from benchmarks.__main__ import main
from benchmarks.peers import PYTHON
from benchmarks.workers import ONE_THREAD

MODULES = ("peers.perplexity",)

if __name__ == "__main__":
    if not PYTHON.exists():
        sys.exit("bench-peers: .venv-peers is missing; `make bench-peers` installs it")
    os.environ.update(ONE_THREAD)  # before torch is imported
    main(MODULES, __doc__, Path("results/benchmarks-peers"))
