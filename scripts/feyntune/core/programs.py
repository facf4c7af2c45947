"""Other programs of the machine, asked for a text: SLURM's, nvidia-smi, quota."""

from __future__ import annotations

import subprocess
from collections.abc import Collection, Sequence

TIMEOUT = 30
"""Seconds that a program has to answer."""


def output_of(command: Sequence[str], statuses: Collection[int] = (0,)) -> str | None:
    """What a program prints on its standard output.

    Args:
        command: the program and its arguments.
        statuses: exit statuses with which its output is an answer.

    Returns:
        None if there is no such program, or if it fails or does not answer in ``TIMEOUT`` seconds.
    """
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode in statuses else None
