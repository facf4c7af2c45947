"""Folders that only one process may use: jobs of a killed scheduler may still run beside their successors."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from feyntune.core.errors import FeynTuneError


@contextlib.contextmanager
def locked(folder: str | Path) -> Iterator[None]:
    """Create ``folder`` and lock it for this process; the lock ends with the process, even a killed one.

    Raises:
        FeynTuneError: another process has the lock.
    """
    with take(folder):
        yield


def take(folder: str | Path) -> BinaryIO:
    """Create ``folder`` and take its lock; the returned open file holds it.

    Raises:
        FeynTuneError: another process has the lock.
    """
    Path(folder).mkdir(parents=True, exist_ok=True)
    file = open(Path(folder) / ".lock", "ab", buffering=0)  # noqa: SIM115
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        raise FeynTuneError(f"{folder}: another process is using it; wait for that process, or end it") from None
    if not _is_at(file, Path(folder) / ".lock"):
        file.close()
        raise FeynTuneError(f"{folder}: another process has just finished there; run again")
    return file


def is_locked(folder: str | Path) -> bool:
    """Whether a process has the lock of ``folder`` now; a missing folder is not locked."""
    try:
        with open(Path(folder) / ".lock") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def _is_at(file: BinaryIO, path: Path) -> bool:
    """Whether ``path`` still is ``file``; the process that had the lock may have removed the folder."""
    return path.exists() and os.path.samestat(os.fstat(file.fileno()), path.stat())
