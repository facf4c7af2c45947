"""Finished results are kept by their fingerprint and restored."""

import os
from pathlib import Path

import pytest

from feyntune.core import kept
from feyntune.core.kept import NUMBER, KeptResults, adapter_digests, file_digest, fingerprint, was_restored

JOB = "train/run"


@pytest.fixture
def outputs(tmp_path):
    return [tmp_path / "adapter/weights.bin", tmp_path / "adapter/run.json"]


def write(outputs, content):
    for path in outputs:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)  # as Snakemake does
        path.write_text(f"{path.name} {content}")


def results(tmp_path, rate):
    return KeptResults(tmp_path / "kept" / JOB, fingerprint("a", {"rate": rate}, {"data": "b"}))


def test_results_come_back_when_a_setting_is_set_back(tmp_path, outputs):
    write(outputs, "slow")
    results(tmp_path, 0.1).keep(outputs)
    write(outputs, "fast")
    results(tmp_path, 0.2).keep(outputs)
    for path in outputs:
        path.unlink()
    assert results(tmp_path, 0.1).restore(outputs)
    assert outputs[0].read_text() == "weights.bin slow"
    assert not results(tmp_path, 0.3).restore(outputs)
    assert outputs[0].read_text() == "weights.bin slow"


def test_another_library_code_or_input_restores_nothing(tmp_path, outputs, monkeypatch):
    write(outputs, "a")
    results(tmp_path, 0.1).keep(outputs)
    folder, settings = tmp_path / "kept" / JOB, {"rate": 0.1}
    assert KeptResults(folder, fingerprint("a", settings, {"data": "b"})).digests()
    assert not KeptResults(folder, fingerprint("c", settings, {"data": "b"})).digests()
    assert not KeptResults(folder, fingerprint("a", settings, {"data": None})).digests()
    monkeypatch.setattr(kept, "library_versions", lambda: {"torch": "1.0"})
    assert not KeptResults(folder, fingerprint("a", settings, {"data": "b"})).digests()


def test_a_restored_file_is_as_new_as_a_computed_one(tmp_path, outputs):
    write(outputs, "a")
    for path in outputs:
        os.utime(path, (1, 1))
    results(tmp_path, 0.1).keep(outputs)
    results(tmp_path, 0.1).restore(outputs)
    assert all(path.stat().st_mtime > 1e9 for path in outputs)


def test_kept_files_take_no_space_of_their_own(tmp_path, outputs):
    write(outputs, "a")
    results(tmp_path, 0.1).keep(outputs)
    assert outputs[0].stat().st_nlink == 2


def test_a_file_system_without_hard_links_gets_copies(tmp_path, outputs, monkeypatch):
    def refused(*_):
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr(kept.os, "link", refused)
    write(outputs, "a")
    results(tmp_path, 0.1).keep(outputs)
    write(outputs, "b")
    assert results(tmp_path, 0.1).restore(outputs)
    assert outputs[1].read_text() == "run.json a"


def test_only_the_last_few_are_kept(tmp_path, outputs):
    for rate in range(NUMBER + 2):
        write(outputs, rate)
        results(tmp_path, rate).keep(outputs)
        os.utime(results(tmp_path, rate).place, (rate, rate))
    assert len(list((tmp_path / "kept" / JOB).iterdir())) == NUMBER
    assert not results(tmp_path, 0).restore(outputs)
    assert results(tmp_path, NUMBER + 1).restore(outputs)


def damage_by_deleting(place, path):
    (place / path.name).unlink()


def damage_in_place(place, path):
    path.write_text("rubbish")  # a hard link: the kept file changes too


def damage_the_record(place, path):
    (place / kept.RECORD).write_text("{")


@pytest.mark.parametrize("damage", [damage_by_deleting, damage_in_place, damage_the_record])
def test_what_is_damaged_is_ignored_with_a_line(tmp_path, outputs, damage, capsys):
    write(outputs, "a")
    results(tmp_path, 0.1).keep(outputs)
    damage(results(tmp_path, 0.1).place, outputs[0])
    for path in outputs:
        path.unlink()
    assert not results(tmp_path, 0.1).restore(outputs)
    assert "cannot be restored" in capsys.readouterr().out


def test_a_result_that_cannot_be_kept_is_finished_all_the_same(tmp_path, outputs, capsys):
    write(outputs, "a")
    (tmp_path / "kept").write_text("a file where the folder should be")
    results(tmp_path, 0.1).keep(outputs)
    assert "finished, but cannot be kept" in capsys.readouterr().out
    assert outputs[0].read_text() == "weights.bin a"


def test_a_job_that_restored_its_result_was_not_measured(tmp_path, outputs):
    write(outputs, "a")
    results(tmp_path, 0.1).keep(outputs)
    assert not was_restored(JOB, tmp_path)
    results(tmp_path, 0.1).restore(outputs)
    assert was_restored(JOB, tmp_path)
    results(tmp_path, 0.2).keep(outputs)
    assert not was_restored(JOB, tmp_path)


def test_inputs_that_cannot_be_read_have_no_digest(tmp_path):
    (tmp_path / "adapter_config.json").write_text("{}")
    (tmp_path / "run.json").write_text("{}")
    assert file_digest(tmp_path / "missing") is None
    assert set(adapter_digests(tmp_path)) == {"adapter_config.json"}
    assert adapter_digests(None) == adapter_digests(Path("nowhere")) == {}
