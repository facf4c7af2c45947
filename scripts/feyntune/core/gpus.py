"""GPUs of a machine: which there are, which job holds which, and the one that this process computes on.

Inside a SLURM allocation the GPUs are shared out too: it may hold more of them than one job of ours asks for.
"""

from __future__ import annotations

import functools
import os
import re
import tempfile
from collections.abc import MutableMapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from feyntune.core.errors import FeynTuneError
from feyntune.core.locks import Lock, take
from feyntune.core.programs import output_of

if TYPE_CHECKING:
    import torch

LOCKS = Path(tempfile.gettempdir()) / f"feyntune-gpus-{os.getuid()}"
REQUESTED = "FEYNTUNE_GPUS"
"""Variable with the number of GPUs that the workflow has requested for a job; 0: run on the CPU."""
NO_GPUS = {"", "-1", "none", "void", "NoDevFiles"}
"""Values of CUDA_VISIBLE_DEVICES, of CUDA, containers and SLURM, that mean no GPU."""
ALLOCATOR = "expandable_segments:True"
"""Setting of torch's allocator: memory that was freed in pieces can be used again for larger tensors."""

_held: list[Lock] = []  # until the process ends


def give_gpus(count: int, environment: MutableMapping[str, str]) -> None:
    """Hold ``count`` GPUs for this process and what it becomes, and name them in ``environment``.

    Without GPUs on this machine only the request is recorded; ``pick_device`` then says what is wrong, with the help
    of torch. ``count`` 0 hides all GPUs.

    Raises:
        FeynTuneError: there are fewer GPUs, or fewer free ones.
    """
    environment[REQUESTED] = str(count)
    if not count:
        environment["CUDA_VISIBLE_DEVICES"] = ""
    elif gpus := visible_gpus():
        environment["CUDA_VISIBLE_DEVICES"] = ",".join(hold_gpus(count, gpus, _locks()))
        if "PYTORCH_CUDA_ALLOC_CONF" not in environment:
            environment.setdefault("PYTORCH_ALLOC_CONF", ALLOCATOR)


def _locks() -> Path:
    """Where GPUs are locked: indices count from 0 in each SLURM job that sees its own GPUs only."""
    job = os.environ.get("SLURM_JOB_ID")
    return LOCKS / f"job-{job}" if job else LOCKS


def visible_gpus(devices: str | Path = "/dev") -> list[str]:
    """Names of the GPUs that this process may use, as CUDA_VISIBLE_DEVICES takes them.

    Those that this variable names, else the indices 0 to n - 1 of the n GPUs that nvidia-smi lists; without it, of as
    many as there are device files. The numbers of device files are not the indices of CUDA: in containers they differ.
    """
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return [name for name in (part.strip() for part in named.split(",")) if name not in NO_GPUS]
    listed = output_of(["nvidia-smi", "-L"])
    if listed:
        count = len(re.findall(r"^GPU \d+:", listed, re.MULTILINE))
    else:
        count = len([path for path in Path(devices).glob("nvidia*") if re.fullmatch(r"nvidia\d+", path.name)])
    return [str(index) for index in range(count)]


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
    """Take the lock at ``place`` for this process and whatever it becomes, if no other process has it."""
    try:
        lock = take(place)
    except FeynTuneError:
        return False
    lock.keep_after_exec()
    _held.append(lock)
    return True


def pick_device() -> torch.device:
    """The device of this process: its GPU (of several that train together, each its own), or the CPU.

    A job of the workflow computes where it has requested to: on the CPU for ``gpu: 0`` only. A program that is
    started by hand takes a GPU if there is one.

    Raises:
        FeynTuneError: the job has requested GPUs, and cannot use as many.
    """
    import torch

    requested = os.environ.get(REQUESTED)
    if requested == "0":
        return torch.device("cpu")
    if requested:
        _require_gpus(int(requested))
    elif not torch.cuda.is_available():
        return torch.device("cpu")
    return torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)))


@functools.cache
def _require_gpus(count: int) -> None:
    """Raise FeynTuneError if torch cannot use ``count`` GPUs; says what torch and the driver say."""
    import torch

    try:
        torch.cuda.init()
        present = torch.cuda.device_count()
        fault = "" if present >= count else f"torch sees {present}"
        # The process that only starts those that train together must not hold memory of a GPU.
        if not fault and (count == 1 or "LOCAL_RANK" in os.environ):
            device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)))
            (torch.ones(1, device=device) + 1).item()
    except (RuntimeError, AssertionError) as error:
        fault = str(error).split(". ")[0].splitlines()[0][:70]
    if fault:
        built, remedy = f"CUDA {torch.version.cuda}", "make setup TORCH=cu126 for an older driver"
        if not torch.version.cuda:
            built, remedy = "CPUs only", "make setup TORCH=auto"
        raise FeynTuneError(
            f"needs {count} GPU{'s'[: count > 1]}: {fault} (torch for {built}, {_driver()}); {remedy},"
            " or gpu: 0 in resources.train, complete, perplexity, metrics"
        )


def _driver() -> str:
    """Driver and CUDA version as nvidia-smi prints them."""
    text = output_of(["nvidia-smi"]) or ""
    found = [re.search(rf"{name} Version: *([\d.]+)", text) for name in ("Driver", "CUDA")]
    if found[0] is None:
        return "no answer of nvidia-smi"
    return f"driver {found[0][1]}" + (f" with CUDA {found[1][1]}" if found[1] else "")
