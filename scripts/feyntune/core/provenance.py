"""Where a result comes from: versions, revision of the project, device. No time, no host, no secret."""

import platform
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

LIBRARIES = ("torch", "transformers", "peft", "bitsandbytes", "accelerate", "sentence-transformers", "pyarrow", "numpy")


def provenance():
    """Versions of Python and of the libraries that decide results, and the git revision of this project."""
    return {"python": platform.python_version(), "libraries": _versions(), "revision": _revision()}


def _versions():
    found = {}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    if "torch" in sys.modules:  # which tells for what cards it was built; an index's metadata does not
        found["torch"] = str(sys.modules["torch"].__version__)
    return found


def _revision():
    """The commit that is checked out, with ``-dirty`` behind it if tracked files differ; None outside git."""
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--abbrev=40"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return None
    return done.stdout.strip() or None


def device_name(device):
    """The name that a card gives itself, or the processor architecture and thread count."""
    import torch

    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{platform.machine()} CPU, {torch.get_num_threads()} threads"
