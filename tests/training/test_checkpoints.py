"""Checkpoints are whole or passed over, and belong to one training."""

import fcntl
import shutil

import pytest

from feyntune.core.errors import FeynTuneError
from feyntune.core.locks import locked
from feyntune.training.checkpoints import MANIFEST, checkpoints, claim, is_complete, keep_newest, newest_complete, seal

NOTE = {"run": "a", "settings": {"lr": 1}, "data": "x"}


def make(folder, step, sealed=True):
    checkpoint = folder / f"checkpoint-{step}"
    checkpoint.mkdir(parents=True)
    (checkpoint / "optimizer.pt").write_bytes(b"o" * 100)
    (checkpoint / "adapter_model.safetensors").write_bytes(b"w" * 100)
    if sealed:
        seal(checkpoint)
    return checkpoint


def shorten(checkpoint):
    (checkpoint / "optimizer.pt").write_bytes(b"o" * 50)


def flip(checkpoint):
    (checkpoint / "adapter_model.safetensors").write_bytes(b"w" * 99 + b"x")


def lose(checkpoint):
    (checkpoint / "optimizer.pt").unlink()


def unseal(checkpoint):
    (checkpoint / MANIFEST).unlink()


def garble(checkpoint):
    (checkpoint / MANIFEST).write_text("{")


@pytest.mark.parametrize("tear", [shorten, flip, lose, unseal, garble])
def test_a_torn_checkpoint_is_passed_over_and_removed(tmp_path, tear):
    older, newer = make(tmp_path, 9), make(tmp_path, 10)
    assert newest_complete(tmp_path) == newer
    tear(newer)
    assert not is_complete(newer)
    assert newest_complete(tmp_path) == older
    assert checkpoints(tmp_path) == [older]


def test_none_complete_is_none(tmp_path):
    make(tmp_path, 3, sealed=False)
    assert newest_complete(tmp_path) is None
    assert newest_complete(tmp_path / "missing") is None


def test_newest_goes_by_number_not_by_name(tmp_path):
    for step in (9, 10, 100):
        make(tmp_path, step)
    keep_newest(tmp_path, 2)
    assert [path.name for path in checkpoints(tmp_path)] == ["checkpoint-100", "checkpoint-10"]


def test_checkpoints_stay_with_their_note_and_go_with_another(tmp_path):
    assert claim(tmp_path, NOTE) is False
    checkpoint = make(tmp_path, 3)
    assert claim(tmp_path, NOTE) is False
    assert newest_complete(tmp_path) == checkpoint
    assert claim(tmp_path, {**NOTE, "settings": {"lr": 2}}) is True
    assert newest_complete(tmp_path) is None


def test_checkpoints_without_a_readable_note_belong_to_nobody(tmp_path):
    make(tmp_path, 3)
    (tmp_path / "belongs_to.json").write_text("{")
    assert claim(tmp_path, NOTE) is True
    assert checkpoints(tmp_path) == []


def test_another_runs_checkpoints_are_refused(tmp_path):
    claim(tmp_path, NOTE)
    checkpoint = make(tmp_path, 3)
    with pytest.raises(FeynTuneError, match="has checkpoints of run a; give b a folder of its own"):
        claim(tmp_path, {**NOTE, "run": "b"})
    assert is_complete(checkpoint)


def test_a_folder_that_its_holder_removed_is_not_held(tmp_path, monkeypatch):
    folder = tmp_path / "held"
    lock = fcntl.flock

    def removed_meanwhile(file, how):
        shutil.rmtree(folder)
        lock(file, how)

    monkeypatch.setattr(fcntl, "flock", removed_meanwhile)
    with pytest.raises(FeynTuneError, match="has just finished there"), locked(folder):
        pass
