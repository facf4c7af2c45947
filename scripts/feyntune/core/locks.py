"""Folders that only one process may work in: after a scheduler's death its jobs may live on beside their successors."""

import contextlib
import fcntl
import os
from pathlib import Path

from feyntune.core.errors import FeynTuneError


@contextlib.contextmanager
def locked(folder):
    """Make ``folder`` and hold it for this process alone; the lock ends with the process, even a killed one.

    Raises:
        FeynTuneError: another process holds it.
    """
    with take(folder):
        yield


def take(folder):
    """Make ``folder`` and take its lock; the open file that is returned holds it.

    Raises:
        FeynTuneError: another process holds it.
    """
    Path(folder).mkdir(parents=True, exist_ok=True)
    file = open(Path(folder) / ".lock", "ab", buffering=0)  # noqa: SIM115
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        raise FeynTuneError(f"{folder}: another process is at work there; wait for it, or end it") from None
    if not _is_at(file, Path(folder) / ".lock"):
        file.close()
        raise FeynTuneError(f"{folder}: another process has just finished there; run again")
    return file


def is_locked(folder):
    """Whether a process holds ``folder`` now; one that is not there is held by nobody."""
    try:
        with open(Path(folder) / ".lock") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def _is_at(file, path):
    """Whether ``path`` still is ``file``, and was not removed, with its folder, by the process that held it."""
    return path.exists() and os.path.samestat(os.fstat(file.fileno()), path.stat())
