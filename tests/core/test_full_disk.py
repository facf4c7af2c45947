"""A disk that is full, has no inode left or becomes read-only: one line, nothing lost, and the same bytes later."""

import errno
import os
import shutil
import subprocess

import numpy as np
import pyarrow as pa
import pytest
import torch

from feyntune.core import files
from feyntune.core.errors import FeynTuneError
from feyntune.core.files import folder_written_whole, write_json, write_table, write_text
from feyntune.core.kept import KeptResults
from feyntune.core.shards import Shards
from feyntune.core.tensors import write_tensors
from feyntune.playground.votes import ALL_COLUMNS, keep_vote
from support.damage import files_in


def mount(*arguments):
    """Whether a command of mounting succeeds; it needs privileges."""
    return shutil.which("mount") and subprocess.run(arguments, capture_output=True, check=False).returncode == 0


@pytest.fixture
def disk(tmp_path):
    """A function that mounts a small disk, or mounts it again with other options; it returns the folder."""
    folder = tmp_path / "disk"
    folder.mkdir()

    def mounted(options):
        again = "remount," if os.path.ismount(folder) else ""
        if not mount("mount", "-t", "tmpfs", "-o", f"{again}{options}", "tmpfs", folder):
            pytest.skip("mounting is not permitted here")
        return folder

    yield mounted
    mount("umount", folder)


NUMBERS = np.random.default_rng(0).random(30_000)


def write_folder(folder):
    with folder_written_whole(folder / "model") as aside:
        (aside / "config.json").write_text("{}")
        (aside / "model.safetensors").write_bytes(NUMBERS.tobytes())


def write_shards(folder):
    shards = Shards(folder / "shards", {"job": 1})
    for _ in range(2):
        shards.append(pa.table({"x": NUMBERS}))


WRITERS = {
    "text": lambda folder: write_text(folder / "a/b.txt", "x" * 200_000),
    "json": lambda folder: write_json(folder / "a/b.json", NUMBERS.tolist()),
    "table": lambda folder: write_table(folder / "a/b.parquet", pa.table({"x": NUMBERS})),
    "tensors": lambda folder: write_tensors(folder / "a/b.pt", {"x": torch.from_numpy(NUMBERS)}),
    "folder": write_folder,
    "shards": write_shards,
}
STATES = {"full": ("size=40k", "size=4m"), "no inodes": ("nr_inodes=3", "nr_inodes=100"), "read-only": ("ro", "rw")}


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("writer", WRITERS)
def test_nothing_is_half_written_and_a_larger_disk_gets_the_same(disk, tmp_path, writer, state):
    small, large = STATES[state]
    folder = disk("size=4m" if state == "read-only" else small)
    (folder / "earlier").write_text("result")
    if state == "read-only":
        disk(small)
    with pytest.raises(FeynTuneError) as caught:
        WRITERS[writer](folder)
    line = str(caught.value)
    assert str(folder) in line and line.isprintable() and "; " in line, line
    assert ("read-only" if state == "read-only" else "the disk is full") in line
    finished = {path.relative_to(folder).as_posix() for path in files_in(folder)}
    assert finished <= {"earlier", "shards/fingerprint.json", "shards/000000.parquet"}
    disk(large)
    WRITERS[writer](folder)
    WRITERS[writer](tmp_path / "undisturbed")
    expected = files_in(tmp_path / "undisturbed")
    found = files_in(folder)
    assert found.pop(folder / "earlier") == b"result"
    assert {path.relative_to(folder): content for path, content in found.items()} == {
        path.relative_to(tmp_path / "undisturbed"): content for path, content in expected.items()
    }


def test_a_result_that_cannot_be_kept_is_finished(disk, tmp_path, capsys):
    folder = disk("size=40k")
    (tmp_path / "result").write_bytes(NUMBERS.tobytes())
    KeptResults(folder / "kept", {"settings": 1}).keep([tmp_path / "result"])
    assert "the result is finished, but cannot be kept there" in capsys.readouterr().out
    assert files_in(folder) == {}


def test_a_vote_is_written_whole_or_not_at_all(disk):
    path = disk("size=8k") / "votes.csv"
    rows = [
        {**dict.fromkeys(ALL_COLUMNS, "x"), "rater": f"r{number}", "prompt": "We study. " * 40} for number in range(9)
    ]
    with pytest.raises(FeynTuneError, match=r"votes\.csv: cannot be written \(No space left on device\)"):
        for number in range(90):
            keep_vote(path, [{**rows[number % 9], "paper": f"p{number}"}])
    before = path.read_bytes()
    assert before.endswith(b"\r\n") and len(before) > 4000
    disk("size=64k")
    keep_vote(path, [{**rows[0], "paper": "last"}])
    assert path.read_bytes().startswith(before)


def test_a_quota_that_is_used_up_is_named(tmp_path, monkeypatch):
    def refuse(descriptor):
        raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))

    monkeypatch.setattr(files.os, "fsync", refuse)
    with pytest.raises(FeynTuneError, match="x: cannot be written: the disk quota is used up; free some space"):
        write_text(tmp_path / "x", "y")
    assert files_in(tmp_path) == {}


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE])
def test_a_disk_that_fails_is_no_damaged_file(tmp_path, monkeypatch, number):
    def refuse(*_, **__):
        raise OSError(number, os.strerror(number))

    (tmp_path / "x.json").write_text("{}")
    monkeypatch.setattr(files.Path, "read_text", refuse)
    with pytest.raises(FeynTuneError, match=r"x\.json: the (disk or its network|network file system) fails; check it"):
        files.read_json(tmp_path / "x.json")
