"""Run a program on graphics cards of its own: ``on_gpus.py COUNT PROGRAM [ARGUMENT ...]``.

Several jobs of one machine then never meet on a card. Without cards, or in a job to which SLURM has given its cards,
the program runs as it is.
"""

import os
import sys
from pathlib import Path

from feyntune.core.errors import FeynTuneError
from feyntune.core.gpus import hold_gpus, visible_gpus


def main(count, program):
    """Choose the cards and become the program."""
    cards = visible_gpus()
    if count and cards and "SLURM_JOB_ID" not in os.environ:
        os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(hold_gpus(count, cards))
    os.execv(sys.executable, [sys.executable, *program])


if __name__ == "__main__":
    try:
        main(int(sys.argv[1]), sys.argv[2:])
    except FeynTuneError as error:
        sys.exit(f"{Path(sys.argv[2]).stem}: error: {error}")
