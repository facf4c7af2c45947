"""Jobs of a driver (a Snakemake process) that was killed: they live on, and write where their successors will.

A driver that is interrupted cancels its jobs; one that is killed (``kill -9``, a reboot, a closed terminal) cannot.
Snakemake does not take such jobs back, and would submit the same jobs again. So they are cancelled; trainings continue
from their checkpoints.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from feyntune.core.errors import FeynTuneError
from feyntune.core.files import read_json, write_json
from feyntune.core.locks import Lock, take

from . import queue

GRACE = 180
"""Seconds that cancelled jobs have to end: clusters wait up to a minute between SIGTERM and SIGKILL."""


def hold_folder(folder: str | Path, grace: float = GRACE) -> tuple[Lock, list[str]]:
    """Lock ``folder`` for this driver, then end the jobs that a dead driver left there.

    Snakemake's own lock does not do: it allows two drivers with different targets, and users remove it by `--unlock`.

    Args:
        folder: where Snakemake was started.
        grace: seconds to wait for the end of cancelled jobs.

    Returns:
        The lock, which is held until it is released or the process ends, and the ids of the jobs that were
        cancelled.

    Raises:
        FeynTuneError: another driver is at work, or jobs are left that may have a driver elsewhere or that do not end.
    """
    place = Path(folder) / ".snakemake/driver"
    try:
        lock = take(place)
    except FeynTuneError:
        raise FeynTuneError(f"slurm: another Snakemake{_where(place)} is at work in this folder; let it end") from None
    try:
        ended = end_orphans(folder, _note(place).get("host"), grace)
    except BaseException:
        lock.close()
        raise
    write_json(place / "driver.json", {"host": socket.gethostname(), "process": os.getpid()})
    return lock, ended


def end_orphans(folder: str | Path, host: str | None, grace: float) -> list[str]:
    """Cancel the jobs that a Snakemake in ``folder`` left, wait until they have ended, and return their ids.

    Args:
        folder: where Snakemake was started.
        host: machine of the last driver; None if unknown. On another machine it may still be alive, so nothing is
            cancelled.
        grace: seconds to wait.

    Raises:
        FeynTuneError: there is no answer, the last driver may be alive, or the jobs do not end.
    """
    folder = os.path.realpath(folder)
    found = queue.unfinished(folder)
    if found is None:
        raise FeynTuneError("slurm: squeue does not answer: type `squeue --me` and see; then the same command again")
    if not found:
        return []
    if host not in (None, socket.gethostname()):
        raise FeynTuneError(
            f"slurm: {listed(found)} of a Snakemake on {host} work here; if it has died: scancel {' '.join(found)}"
        )
    queue.ask("scancel", *found)
    end = time.monotonic() + grace
    while queue.unfinished(folder) != []:
        if time.monotonic() > end:
            raise FeynTuneError(
                f"slurm: cancelled, but not over yet: {listed(found)}; wait until `squeue --me` is empty"
            )
        time.sleep(1)
    return found


def listed(ids: Sequence[str]) -> str:
    """``job 1``, ``jobs 1, 2``."""
    return f"job{'s' * (len(ids) > 1)} {', '.join(ids)}"


def _where(place: Path) -> str:
    note = _note(place)
    return f" (process {note['process']} on {note['host']})" if note else ""


def _note(place: Path) -> dict[str, Any]:
    """What the last driver wrote about itself; empty if it did not come so far."""
    try:
        return read_json(place / "driver.json")
    except FeynTuneError:
        return {}
