"""Jobs of a Snakemake that was killed: they live on, and write where their successors will.

A driver that was interrupted cancels its jobs; one that was killed (``kill -9``, a reboot, a closed terminal) cannot.
Snakemake does not take such jobs back, and what they would finish is made again: they are cancelled, and trainings
go on from their checkpoints.
"""

import contextlib
import os
import socket
import time
from pathlib import Path

from feyntune.core.errors import FeynTuneError
from feyntune.core.files import read_json, write_json
from feyntune.core.locks import locked
from guard import queue

# Seconds that cancelled jobs are given to end: clusters wait up to a minute between SIGTERM and SIGKILL.
GRACE = 180


@contextlib.contextmanager
def alone(folder, grace=GRACE):
    """Hold ``folder`` for this driver while the block runs, and before it end the jobs that a dead one left.

    Raises:
        FeynTuneError: another driver is at work; jobs live on and may have one elsewhere; jobs that do not end; or
            Snakemake's own lock is still there, which only the user may take away.
    """
    place = Path(folder) / ".snakemake/driver"
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(locked(place))
        except FeynTuneError:
            raise FeynTuneError(
                f"slurm: another Snakemake{_where(place)} is at work in this folder; let it end"
            ) from None
        ended = end_orphans(folder, _host(place), grace)
        write_json(place / "driver.json", {"host": socket.gethostname(), "process": os.getpid()})
        if any(Path(folder, ".snakemake/locks").glob("*")):
            done = f"left {_jobs(ended)} behind: cancelled, checkpoints are kept" if ended else "left no jobs behind"
            raise FeynTuneError(
                f"slurm: a Snakemake was killed here and {done}; type `snakemake --unlock`, then the same command again"
            )
        yield


def end_orphans(folder, host, grace):
    """Cancel the jobs that a Snakemake in ``folder`` left, wait until they have ended, and return their ids.

    Args:
        folder: where Snakemake runs.
        host: machine of the last driver; None if unknown. On another one it may still be alive, and nothing is done.
        grace: seconds to wait.
    """
    folder = os.path.realpath(folder)
    found = queue.alive(folder)
    if found is None:
        raise FeynTuneError("slurm: squeue does not answer: type `squeue --me` and see; then the same command again")
    if not found:
        return []
    if host not in (None, socket.gethostname()):
        raise FeynTuneError(
            f"slurm: {_jobs(found)} of a Snakemake on {host} work here; if it has died: scancel {' '.join(found)}"
        )
    queue.ask("scancel", *found)
    end = time.monotonic() + grace
    while queue.alive(folder) != []:
        if time.monotonic() > end:
            raise FeynTuneError(
                f"slurm: cancelled, but not over yet: {_jobs(found)}; wait until `squeue --me` is empty"
            )
        time.sleep(1)
    return found


def _host(place):
    return _note(place).get("host")


def _where(place):
    note = _note(place)
    return f" (process {note['process']} on {note['host']})" if note else ""


def _note(place):
    """What the last driver wrote about itself; nothing if it did not come so far."""
    try:
        return read_json(place / "driver.json")
    except FeynTuneError:
        return {}


def _jobs(ids):
    return f"job{'s' * (len(ids) > 1)} {', '.join(ids)}"
