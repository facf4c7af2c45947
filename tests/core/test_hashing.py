"""Digests depend on the content alone; those of large files are computed once."""

import hashlib
import json
import os
import time
from concurrent.futures import ProcessPoolExecutor

import pytest

from feyntune.core import hashing
from feyntune.core.hashing import content_hash, known_digest, remembered_digest

ONE = hashlib.sha256(b"one").hexdigest()


@pytest.fixture
def memory(tmp_path, monkeypatch):
    """The folder of remembered digests; every file counts as large, and as old enough."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(hashing, "LARGE", 0)
    monkeypatch.setattr(hashing, "SETTLED", -1)
    return tmp_path / "cache/feyntune/digests"


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "weights"
    path.write_bytes(b"one")
    return path


@pytest.fixture
def computed(monkeypatch):
    """Paths whose digests were computed."""
    found, digest = [], hashing.digest
    monkeypatch.setattr(hashing, "digest", lambda path: (found.append(path), digest(path))[1])
    return found


def test_an_unchanged_file_is_read_once(memory, file, computed):
    assert [known_digest(file), known_digest(file)] == [ONE, ONE]
    assert len(computed) == 1


@pytest.mark.parametrize("keep_time", [False, True])
def test_a_file_that_changed_is_read_again(memory, file, computed, keep_time):
    before = file.stat()
    assert known_digest(file) == ONE
    file.write_bytes(b"two")
    if keep_time:
        os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert known_digest(file) == hashlib.sha256(b"two").hexdigest()
    assert len(computed) == 2


def test_a_byte_that_decays_is_noticed_within_a_week(memory, file, computed):
    assert known_digest(file) == ONE
    (entry,) = memory.iterdir()
    content, before = entry.read_bytes(), file.stat()
    file.write_bytes(b"two")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    state = json.loads(content) | {"ctime_ns": file.stat().st_ctime_ns}
    entry.write_text(json.dumps(state))
    assert known_digest(file) == ONE
    os.utime(entry, (time.time() - hashing.FRESH - 1,) * 2)
    assert remembered_digest(file) == ONE  # plans read no large file
    assert known_digest(file) == hashlib.sha256(b"two").hexdigest()
    assert [known_digest(file), len(computed)] == [hashlib.sha256(b"two").hexdigest(), 2]


def test_a_file_that_has_just_changed_is_not_remembered(memory, file, computed, monkeypatch):
    monkeypatch.setattr(hashing, "SETTLED", 100)
    known_digest(file)
    assert not memory.exists()


def test_small_files_are_not_remembered(memory, file, monkeypatch):
    monkeypatch.setattr(hashing, "LARGE", 4)
    assert known_digest(file) == ONE
    assert not memory.exists()


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[]", b'{"sha256": "wrong"}'])
def test_a_corrupt_memory_is_ignored_and_replaced(memory, file, computed, content):
    known_digest(file)
    (entry,) = memory.iterdir()
    entry.write_bytes(content)
    assert known_digest(file) == ONE
    assert [known_digest(file), len(computed)] == [ONE, 2]


def test_without_a_place_for_the_memory_digests_are_computed(memory, file, computed, tmp_path):
    (tmp_path / "cache").write_text("a file")
    assert [known_digest(file), known_digest(file), len(computed)] == [ONE, ONE, 2]


def test_files_of_the_hub_are_not_read(tmp_path, computed):
    blob = tmp_path / "blobs" / ("ab" * 32)
    blob.parent.mkdir()
    blob.write_bytes(b"one")
    (tmp_path / "model").mkdir()
    (tmp_path / "model/weights").symlink_to(blob)
    assert known_digest(tmp_path / "model/weights") == "ab" * 32
    assert not computed


def test_processes_together_find_the_same(memory, file):
    with ProcessPoolExecutor(4) as pool:
        assert set(pool.map(known_digest, [file] * 40)) == {ONE}


def test_the_hash_of_a_folder_depends_on_names_and_contents(tmp_path):
    for name, content in (("a/x", "1"), ("b/x", "1"), ("c/y", "1"), ("d/x", "2")):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(content)
    a, b, c, d = (content_hash(tmp_path / name) for name in "abcd")
    assert a == b and len({a, c, d}) == 3
