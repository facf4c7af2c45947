"""Where a result comes from: versions, revision of the project, device. No time, no host, no secret."""

from __future__ import annotations

import platform
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

LIBRARIES = ("torch", "transformers", "peft", "bitsandbytes", "accelerate", "sentence-transformers", "pyarrow", "numpy")

MISSING = "missing"
"""The key of a record under which a metric's job says why it has no values, and a pooled table for which runs."""
INAPPLICABLE = "inapplicable"
"""The same where a metric can have no values for a run, which is no fault."""


def provenance() -> dict[str, Any]:
    """Versions of Python and of the libraries that decide results, and the git revision of this project."""
    return {"python": platform.python_version(), "libraries": _versions(), "revision": _revision()}


def _versions() -> dict[str, str]:
    found = library_versions()
    if "torch" in sys.modules:  # its own version names the CUDA build; the installed metadata may not
        found["torch"] = str(sys.modules["torch"].__version__)
    return found


def library_versions() -> dict[str, str]:
    """Versions of the libraries that decide results, from their installed metadata: nothing is imported."""
    found = {}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _revision() -> str | None:
    """The commit that is checked out, followed by ``-dirty`` if tracked files differ; None outside git."""
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--abbrev=40"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return None
    return done.stdout.strip() or None


def device_name(device: torch.device) -> str:
    """Name of the GPU as CUDA reports it, or processor architecture and number of threads."""
    import torch

    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    threads = torch.get_num_threads()
    return f"{platform.machine()} CPU, {threads} thread{'s' if threads > 1 else ''}"
