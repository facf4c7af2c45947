"""GPUs of this machine, each held by one job at a time; in a SLURM job there is nothing to share out."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path

from feyntune.core.errors import FeynTuneError
from feyntune.core.locks import take

LOCKS = Path(tempfile.gettempdir()) / f"feyntune-gpus-{os.getuid()}"


def visible_gpus(devices: str | Path = "/dev") -> list[str]:
    """Names of the GPUs that this process may use: those of CUDA_VISIBLE_DEVICES, else all of the machine's."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return [name for name in named.split(",") if name]
    numbers = [re.fullmatch(r"nvidia(\d+)", path.name) for path in Path(devices).glob("nvidia*")]
    return sorted((found[1] for found in numbers if found), key=int)


def hold_gpus(count: int, gpus: Sequence[str], locks: str | Path = LOCKS) -> list[str]:
    """Choose ``count`` of ``gpus`` that no other job holds, and hold them until this process and its children end.

    Raises:
        FeynTuneError: there are fewer GPUs, or fewer free ones.
    """
    if len(gpus) < count:
        raise FeynTuneError(
            f"needs {count} GPUs, and this machine has {len(gpus)}; lower `gpu` or `gpus` in the configuration"
        )
    held: list[str] = []
    for gpu in gpus:
        if len(held) < count and _take(Path(locks) / gpu):
            held.append(gpu)
    if len(held) < count:
        raise FeynTuneError(
            f"other jobs hold {len(gpus) - len(held)} of {len(gpus)} GPUs; tell Snakemake how many there are in total:"
            " --resources gpu=N"
        )
    return held


def _take(place: Path) -> bool:
    """Take the lock at ``place`` for this process and whatever it becomes, if nobody has it."""
    try:
        file = take(place)
    except FeynTuneError:
        return False
    os.set_inheritable(os.dup(file.fileno()), True)
    return True
