"""One process at a time uses a folder, with flock and on file systems that do not have it."""

import errno
import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import time

import pytest

from feyntune.core import locks
from feyntune.core.errors import FeynTuneError
from feyntune.core.locks import HOLDER, TAKEOVER, is_locked, locked, take
from support.workspace import PROJECT

HOLD = """
import errno, fcntl, sys, time
sys.argv[0] = "holder.py"
if sys.argv[2] != "flock":
    def flock(*_):
        raise OSError(getattr(errno, sys.argv[2]), "no locks")
    fcntl.flock = flock
from feyntune.core import locks
from feyntune.core.errors import FeynTuneError
locks.BEAT = 0.05
try:
    with locks.locked(sys.argv[1]):
        print("held", flush=True)
        input()
except FeynTuneError as error:
    print(error, flush=True)
"""


def holder(folder, kind="ENOSYS"):
    """Start a process that locks a folder until its input ends."""
    return subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder), kind], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(PROJECT / "scripts")},
    )  # fmt: skip


def held(process):
    """Whether a process holds its folder; passes over the warning."""
    line = process.stdout.readline()
    return (process.stdout.readline() if "this file system has no locks" in line else line) == "held\n"


@pytest.fixture(params=["ENOSYS", "ENOTSUP", "EOPNOTSUPP"])
def no_flock(request, monkeypatch):
    """This process on a file system without flock."""

    def flock(*_):
        raise OSError(getattr(errno, request.param), "no locks")

    monkeypatch.setattr(fcntl, "flock", flock)
    monkeypatch.setattr(locks, "_warned", False)
    monkeypatch.setattr(locks, "BEAT", 0.05)
    return request.param


@pytest.mark.parametrize("kind", ["flock", "ENOSYS"])
def test_a_second_process_is_refused_until_the_first_ends(tmp_path, kind):
    first = holder(tmp_path, kind)
    assert held(first)
    second, _ = holder(tmp_path, kind).communicate("\n")
    assert f"{tmp_path}: another process is using it; wait for that process, or end it" in second
    first.communicate("\n")
    third = holder(tmp_path, kind)
    assert held(third)
    third.communicate("\n")
    assert not (tmp_path / HOLDER).exists()


@pytest.mark.parametrize("kind", ["flock", "ENOSYS"])
def test_the_lock_of_a_killed_process_is_free_at_once(tmp_path, kind):
    first = holder(tmp_path, kind)
    assert held(first)
    first.kill()
    first.communicate()
    again = holder(tmp_path, kind)
    assert held(again)
    again.communicate("\n")


def test_of_many_processes_one_gets_the_lock_of_a_dead_one(tmp_path):
    dead = holder(tmp_path)
    assert held(dead)
    dead.kill()
    dead.communicate()
    rivals = [holder(tmp_path) for _ in range(6)]
    assert sum(held(rival) for rival in rivals) == 1
    for rival in rivals:
        rival.communicate("\n")
    assert not (tmp_path / TAKEOVER).exists()


def test_a_process_with_flock_respects_one_without(tmp_path):
    first = holder(tmp_path, "ENOSYS")
    assert held(first)
    assert is_locked(tmp_path)
    with pytest.raises(FeynTuneError, match="another process is using it"):
        take(tmp_path)
    first.communicate("\n")
    assert not is_locked(tmp_path)
    take(tmp_path).close()


def test_without_flock_there_is_one_warning_and_the_lock_holds(tmp_path, no_flock, capsys):
    with locked(tmp_path / "a"), locked(tmp_path / "b"):
        assert is_locked(tmp_path / "a")
        with pytest.raises(FeynTuneError, match="another process is using it"):
            take(tmp_path / "a")
    assert capsys.readouterr().out.count("this file system has no locks (flock)") == 1
    assert not is_locked(tmp_path / "a") and not is_locked(tmp_path / "none")


def written(folder, seconds_ago=0.0, **changes):
    """A lock file of a process on another host, or with other ``changes``."""
    content = {"host": "elsewhere", "pid": 1, "started": "1", "token": "x", **changes}
    (folder / HOLDER).write_text(json.dumps(content))
    when = time.time() - seconds_ago
    os.utime(folder / HOLDER, (when, when))


@pytest.mark.parametrize(
    ("age", "changes", "free"),
    [
        (5, {}, False),
        (locks.SILENCE - 60, {}, False),
        (locks.SILENCE + 60, {}, True),
        (5, {"host": socket.gethostname(), "pid": 2**22 + 1}, True),
        (9999, {"host": socket.gethostname(), "pid": os.getpid(), "started": locks._start_of(os.getpid())}, False),
        (5, {"host": socket.gethostname(), "pid": os.getpid(), "started": "1"}, True),
        (5, {"surplus": 1}, False),
        (locks.SILENCE + 60, {"surplus": 1}, True),
    ],
    ids=["alive", "nearly-silent", "silent", "dead", "same-host", "pid-used-again", "unreadable", "unreadable-silent"],
)
def test_holders_on_other_hosts_live_by_their_signs_and_on_this_one_by_their_process(
    tmp_path, no_flock, age, changes, free
):
    written(tmp_path, age, **changes)
    assert is_locked_by_file(tmp_path) != free
    if free:
        take(tmp_path).close()
    else:
        with pytest.raises(FeynTuneError, match="another process is using it"):
            take(tmp_path)


def is_locked_by_file(folder):
    (folder / locks.LOCK).touch()
    return is_locked(folder)


def test_a_holder_gives_signs_of_life(tmp_path, no_flock):
    with locked(tmp_path):
        os.utime(tmp_path / HOLDER, (1, 1))
        deadline = time.monotonic() + 10
        while (tmp_path / HOLDER).stat().st_mtime < 100:
            assert time.monotonic() < deadline
            time.sleep(0.02)


def test_an_unfinished_takeover_is_not_taken_over(tmp_path, no_flock):
    written(tmp_path, locks.SILENCE + 60)
    (tmp_path / TAKEOVER).touch()
    with pytest.raises(FeynTuneError, match=f"if none is, delete {TAKEOVER} there"):
        take(tmp_path)


def test_a_holder_that_lost_its_lock_ends(tmp_path):
    first = holder(tmp_path)
    assert held(first)
    written(tmp_path)
    assert first.wait(10) == -signal.SIGTERM
    assert json.loads((tmp_path / HOLDER).read_text())["host"] == "elsewhere"
    first.communicate()


def test_a_removed_folder_ends_nothing(tmp_path, no_flock):
    folder = tmp_path / "folder"
    with locked(folder):
        for file in folder.iterdir():
            file.unlink()
        folder.rmdir()
        time.sleep(0.2)
    assert not is_locked(folder)


def test_other_faults_of_flock_are_not_hidden(tmp_path, monkeypatch):
    def flock(*_):
        raise OSError(errno.EIO, "broken disk")

    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(OSError, match="broken disk"):
        take(tmp_path)
