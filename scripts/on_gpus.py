"""Run a program on GPUs of its own: ``on_gpus.py COUNT PROGRAM [ARGUMENT ...]``.

Jobs that run at the same time on one machine then never share a GPU. The program learns the COUNT from its environment:
it stops if it cannot use as many GPUs, and runs on the CPU if the COUNT is 0.
"""

import os
import sys
from pathlib import Path

from feyntune.core.errors import FeynTuneError
from feyntune.core.gpus import give_gpus


def main(count: int, program: list[str]) -> None:
    """Choose the GPUs and become the program."""
    give_gpus(count, os.environ)
    os.execv(sys.executable, [sys.executable, *program])


if __name__ == "__main__":
    try:
        main(int(sys.argv[1]), sys.argv[2:])
    except FeynTuneError as error:
        sys.exit(f"{Path(sys.argv[2]).stem}: error: {error}")
