"""Incomplete checkpoints are ignored, and complete ones are used by their own training only."""

import fcntl
import shutil

import pytest

from feyntune.core.errors import FeynTuneError
from feyntune.core.locks import locked
from feyntune.training.checkpoints import MANIFEST, checkpoints, claim, is_complete, keep_newest, newest_complete, seal

FINGERPRINT = {"run": "a", "settings": {"lr": 1}, "data": "x"}


def make_checkpoint(folder, step, sealed=True):
    checkpoint = folder / f"checkpoint-{step}"
    checkpoint.mkdir(parents=True)
    (checkpoint / "optimizer.pt").write_bytes(b"o" * 100)
    (checkpoint / "adapter_model.safetensors").write_bytes(b"w" * 100)
    if sealed:
        seal(checkpoint)
    return checkpoint


def truncate(checkpoint):
    (checkpoint / "optimizer.pt").write_bytes(b"o" * 50)


def change(checkpoint):
    (checkpoint / "adapter_model.safetensors").write_bytes(b"w" * 99 + b"x")


def delete(checkpoint):
    (checkpoint / "optimizer.pt").unlink()


def unseal(checkpoint):
    (checkpoint / MANIFEST).unlink()


def corrupt_manifest(checkpoint):
    (checkpoint / MANIFEST).write_text("{")


@pytest.mark.parametrize("damage", [truncate, change, delete, unseal, corrupt_manifest])
def test_a_damaged_checkpoint_is_ignored_and_deleted(tmp_path, damage):
    older, newer = make_checkpoint(tmp_path, 9), make_checkpoint(tmp_path, 10)
    assert newest_complete(tmp_path) == newer
    damage(newer)
    assert not is_complete(newer)
    assert newest_complete(tmp_path) == older
    assert checkpoints(tmp_path) == [older]


def test_a_folder_without_a_complete_checkpoint_gives_none(tmp_path):
    make_checkpoint(tmp_path, 3, sealed=False)
    assert newest_complete(tmp_path) is None
    assert newest_complete(tmp_path / "missing") is None


def test_the_newest_checkpoint_has_the_highest_number(tmp_path):
    for step in (9, 10, 100):
        make_checkpoint(tmp_path, step)
    keep_newest(tmp_path, 2)
    assert [path.name for path in checkpoints(tmp_path)] == ["checkpoint-100", "checkpoint-10"]


def test_checkpoints_are_kept_for_the_same_fingerprint_and_deleted_for_another(tmp_path):
    assert claim(tmp_path, FINGERPRINT) is False
    checkpoint = make_checkpoint(tmp_path, 3)
    assert claim(tmp_path, FINGERPRINT) is False
    assert newest_complete(tmp_path) == checkpoint
    assert claim(tmp_path, {**FINGERPRINT, "settings": {"lr": 2}}) is True
    assert newest_complete(tmp_path) is None


def test_checkpoints_without_a_readable_fingerprint_are_deleted(tmp_path):
    make_checkpoint(tmp_path, 3)
    (tmp_path / "belongs_to.json").write_text("{")
    assert claim(tmp_path, FINGERPRINT) is True
    assert checkpoints(tmp_path) == []


def test_another_runs_checkpoints_are_refused(tmp_path):
    claim(tmp_path, FINGERPRINT)
    checkpoint = make_checkpoint(tmp_path, 3)
    with pytest.raises(FeynTuneError, match="has checkpoints of run a; give b another folder"):
        claim(tmp_path, {**FINGERPRINT, "run": "b"})
    assert is_complete(checkpoint)


def test_a_folder_that_another_process_deletes_is_not_locked(tmp_path, monkeypatch):
    folder = tmp_path / "locked"
    lock = fcntl.flock

    def delete_first(file, how):
        shutil.rmtree(folder)
        lock(file, how)

    monkeypatch.setattr(fcntl, "flock", delete_first)
    with pytest.raises(FeynTuneError, match="has just finished there"), locked(folder):
        pass
