"""Run a program on GPUs of its own: ``on_gpus.py COUNT PROGRAM [ARGUMENT ...]``.

Jobs that run at the same time on one machine then never share a GPU. Without GPUs, or in a job to which SLURM has given
its GPUs, the program runs unchanged.
"""

import os
import sys
from pathlib import Path

from feyntune.core.errors import FeynTuneError
from feyntune.core.gpus import hold_gpus, visible_gpus


def main(count: int, program: list[str]) -> None:
    """Choose the GPUs and become the program."""
    gpus = visible_gpus()
    if count and gpus and "SLURM_JOB_ID" not in os.environ:
        os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(hold_gpus(count, gpus))
    os.execv(sys.executable, [sys.executable, *program])


if __name__ == "__main__":
    try:
        main(int(sys.argv[1]), sys.argv[2:])
    except FeynTuneError as error:
        sys.exit(f"{Path(sys.argv[2]).stem}: error: {error}")
