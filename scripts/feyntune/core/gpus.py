"""Graphics cards of this machine, each held by one job at a time; in a SLURM job there is nothing to share out."""

import os
import re
import tempfile
from pathlib import Path

from feyntune.core.errors import FeynTuneError
from feyntune.core.locks import take

LOCKS = Path(tempfile.gettempdir()) / f"feyntune-cards-{os.getuid()}"


def pick_device():
    """The GPU of this process (of several that train together: each its own), else the CPU."""
    import torch

    if not torch.cuda.is_available():
        return torch.device("cpu")
    return torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)))


def visible_gpus(devices="/dev"):
    """Names of the cards that this process may use: those of CUDA_VISIBLE_DEVICES, else all of the machine's."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return [name for name in named.split(",") if name]
    numbers = [re.fullmatch(r"nvidia(\d+)", path.name) for path in Path(devices).glob("nvidia*")]
    return sorted((found[1] for found in numbers if found), key=int)


def hold_gpus(count, cards, locks=LOCKS):
    """Choose ``count`` of ``cards`` that no other job holds, and hold them until this process and its children end.

    Raises:
        FeynTuneError: there are not so many, or not so many free ones.
    """
    if len(cards) < count:
        raise FeynTuneError(
            f"asks for {count} cards, and here are {len(cards)}; lower `gpu` or `gpus` in the configuration"
        )
    held = []
    for card in cards:
        if len(held) < count and _take(Path(locks) / card):
            held.append(card)
    if len(held) < count:
        raise FeynTuneError(
            f"other jobs hold {len(cards) - len(held)} of {len(cards)} cards; say how many there are for all:"
            " --resources gpu=N"
        )
    return held


def _take(place):
    """Take the lock at ``place`` for this process and whatever it becomes, if nobody has it."""
    try:
        file = take(place)
    except FeynTuneError:
        return False
    os.set_inheritable(os.dup(file.fileno()), True)
    return True
