"""Folders that only one process may use: jobs of a killed scheduler may still run beside their successors.

The lock is ``flock`` on a file in the folder, which ends with the process. Some cluster file systems do not have it;
there, a lock file names its holder (host and process) and is touched regularly, as long as the holder lives.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import io
import json
import os
import signal
import socket
import threading
import uuid
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from feyntune.core.errors import FeynTuneError

UNSUPPORTED = {errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP}
"""What flock fails with on file systems without locks."""
LOCK, HOLDER, TAKEOVER = ".lock", ".lock-holder", ".lock-takeover"
BEAT = 20.0
"""Seconds between two signs of life of a holder."""
SILENCE = 600.0
"""Seconds without a sign of life after which a holder on another host counts as dead."""

_warned = False


class Lock:
    """A lock that this process holds; use as a context manager, or call ``close``."""

    def __init__(self, file: io.FileIO | None, holder: _HolderFile | None = None) -> None:
        self._file, self._holder = file, holder

    def keep_after_exec(self) -> None:
        """Keep the lock when this process becomes another program, until that one and its children end."""
        if self._file:
            os.set_inheritable(os.dup(self._file.fileno()), True)

    def close(self) -> None:
        """Give the lock up."""
        if self._holder:
            self._holder.release()
        if self._file:
            self._file.close()

    def __enter__(self) -> Lock:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@contextlib.contextmanager
def locked(folder: str | Path) -> Iterator[None]:
    """Create ``folder`` and lock it for this process; the lock ends with the process, even a killed one.

    Raises:
        FeynTuneError: another process has the lock.
    """
    with take(folder):
        yield


def take(folder: str | Path) -> Lock:
    """Create ``folder`` and take its lock.

    Raises:
        FeynTuneError: another process has the lock.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    file = io.FileIO(folder / LOCK, "a")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        if error.errno in UNSUPPORTED:
            return _take_holder_file(folder)
        if isinstance(error, BlockingIOError):
            raise _in_use(folder) from None
        raise
    if _HolderFile(folder).is_held():  # by a process on a host whose mount has no flock
        file.close()
        raise _in_use(folder)
    if not _is_at(file, folder / LOCK):
        file.close()
        raise FeynTuneError(f"{folder}: another process has just finished there; run again")
    return Lock(file)


def is_locked(folder: str | Path) -> bool:
    """Whether a process has the lock of ``folder`` now; a missing folder is not locked."""
    try:
        with open(Path(folder) / LOCK) as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError as error:
        if isinstance(error, BlockingIOError):
            return True
        if error.errno not in UNSUPPORTED:
            raise
    return _HolderFile(Path(folder)).is_held()


def _in_use(folder: Path) -> FeynTuneError:
    return FeynTuneError(f"{folder}: another process is using it; wait for that process, or end it")


def _is_at(file: io.FileIO, path: Path) -> bool:
    """Whether ``path`` still is ``file``; the process that had the lock may have removed the folder."""
    return path.exists() and os.path.samestat(os.fstat(file.fileno()), path.stat())


def _take_holder_file(folder: Path) -> Lock:
    global _warned
    if not _warned:
        from feyntune.core.cli import say

        say(f"{folder}: this file system has no locks (flock); lock files with a heartbeat are used instead")
        _warned = True
    holder = _HolderFile(folder)
    if not holder.take():
        raise _in_use(folder)
    return Lock(None, holder)


@dataclass(frozen=True)
class Holder:
    """The process that holds a lock file."""

    host: str
    pid: int
    started: str | None
    """When the process started, in the system's units: process numbers are used again. None if unknown."""
    token: str
    """Different for each lock."""


class _HolderFile:
    """The lock file of a folder. It is created exclusively; only who holds the takeover file removes another's."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.path = folder, folder / HOLDER
        self.own = Holder(socket.gethostname(), os.getpid(), _start_of(os.getpid()), uuid.uuid4().hex)
        self.stopped = threading.Event()

    def take(self) -> bool:
        """Create the file, after removing that of a dead process; False if a live process has it."""
        if not self._create():
            if self.is_held():
                return False
            self._remove_dead()
            if not self._create():
                return False
        threading.Thread(target=self._beat, daemon=True).start()
        return True

    def release(self) -> None:
        """Remove the file if it still is this process's."""
        self.stopped.set()
        if self._holder() == self.own:
            self.path.unlink(missing_ok=True)

    def is_held(self) -> bool:
        """Whether a live process has the file. A file that cannot be read counts as held until it is silent."""
        if not self.path.exists():
            return False
        holder = self._holder()
        if holder and holder.host == self.own.host:
            return _start_of(holder.pid) == holder.started if _is_alive(holder.pid) else False
        return self._silence() < SILENCE

    def _create(self) -> bool:
        try:
            with open(self.path, "x", encoding="utf-8") as file:
                json.dump(asdict(self.own), file)
                file.flush()
                os.fsync(file.fileno())
        except FileExistsError:
            return False
        return True

    def _remove_dead(self) -> None:
        takeover = self.folder / TAKEOVER
        try:
            takeover.touch(exist_ok=False)
        except FileExistsError:
            raise FeynTuneError(
                f"{self.folder}: another process is taking its lock over; if none is, delete {takeover.name} there"
            ) from None
        try:
            if not self.is_held():  # asked again, now that no other process can take over
                self.path.unlink(missing_ok=True)
        finally:
            takeover.unlink(missing_ok=True)

    def _holder(self) -> Holder | None:
        try:
            return Holder(**json.loads(self.path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):  # not there, or not written completely
            return None

    def _silence(self) -> float:
        """Seconds since the last sign of life, by the clock of the file system: those of hosts differ."""
        probe = self.folder / f".clock.{self.own.token}"
        try:
            probe.touch()
            return probe.stat().st_mtime - self.path.stat().st_mtime
        except FileNotFoundError:  # the holder has just finished
            return SILENCE
        finally:
            probe.unlink(missing_ok=True)

    def _beat(self) -> None:
        while not self.stopped.wait(BEAT):
            if self._holder() != self.own:
                if self.folder.exists() and not self.stopped.is_set():
                    os.kill(os.getpid(), signal.SIGTERM)  # it was suspended, and another process took over
                return
            with contextlib.suppress(FileNotFoundError):
                os.utime(self.path)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _start_of(pid: int) -> str | None:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    return stat.rpartition(")")[2].split()[19]
