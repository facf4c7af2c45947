"""Checkpoints of one training. Incomplete ones are ignored; those of another job fingerprint are deleted."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from feyntune.core.errors import FeynTuneError
from feyntune.core.files import flush_to_disk, read_json, write_json
from feyntune.core.hashing import digest

FINGERPRINT = "belongs_to.json"
MANIFEST = "complete.json"
COPIES = "evaluated"
"""Subfolder with copies of the adapter at evaluation steps; see ``step_adapters``."""


def claim(folder: Path, fingerprint: Mapping[str, Any]) -> bool:
    """Delete the checkpoints in ``folder`` unless they have this job fingerprint, and write the fingerprint there.

    Args:
        folder: checkpoint folder, locked by this process.
        fingerprint: everything that the training depends on, as JSON-able content; ``run`` is the run's name.

    Returns:
        Whether checkpoints of an earlier version of the run were deleted.

    Raises:
        FeynTuneError: the checkpoints belong to another run.
    """
    path, found = folder / FINGERPRINT, checkpoints(folder)
    earlier = _read_fingerprint(path)
    if found and earlier.get("run", fingerprint["run"]) != fingerprint["run"]:
        raise FeynTuneError(
            f"{folder}: has checkpoints of run {earlier['run']}; give {fingerprint['run']} another folder"
        )
    if earlier == fingerprint:
        return False
    for checkpoint in found:
        shutil.rmtree(checkpoint)
    shutil.rmtree(folder / COPIES, ignore_errors=True)
    write_json(path, fingerprint)
    return bool(found)


def _read_fingerprint(path: Path) -> dict[str, Any]:
    """The fingerprint in a file; empty if it is missing or not readable."""
    try:
        return read_json(path)
    except FeynTuneError:
        return {}


def checkpoints(folder: Path) -> list[Path]:
    """Checkpoints in a folder, newest first, complete or not."""
    return sorted(folder.glob("checkpoint-*"), key=step_of, reverse=True)


def step_of(checkpoint: Path | None) -> int:
    """The step after which a checkpoint was saved; 0 for None."""
    return int(checkpoint.name.rsplit("-", 1)[1]) if checkpoint else 0


def seal(checkpoint: Path) -> None:
    """Flush a checkpoint to disk, then write the manifest that marks it complete: the digest of each file."""
    files = sorted(path for path in checkpoint.iterdir() if path.name != MANIFEST)
    for path in files:
        flush_to_disk(path)
    write_json(checkpoint / MANIFEST, {path.name: digest(path) for path in files})


def is_complete(checkpoint: Path) -> bool:
    """Whether a checkpoint has a manifest, and every file in the manifest is intact."""
    try:
        manifest = read_json(checkpoint / MANIFEST)
        return all(digest(checkpoint / name) == expected for name, expected in manifest.items())
    except (FeynTuneError, OSError):
        return False


def newest_complete(folder: Path) -> Path | None:
    """The newest complete checkpoint, or None; newer incomplete ones are deleted."""
    for checkpoint in checkpoints(folder):
        if is_complete(checkpoint):
            return checkpoint
        print(f"{checkpoint}: incomplete, deleted", flush=True)
        shutil.rmtree(checkpoint)
    return None


def keep_newest(folder: Path, count: int) -> None:
    """Delete all but the ``count`` newest checkpoints."""
    for checkpoint in checkpoints(folder)[count:]:
        shutil.rmtree(checkpoint)
