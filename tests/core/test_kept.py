"""Finished results are kept by their fingerprint and restored."""

import os

import pytest

from feyntune.core import kept
from feyntune.core.kept import KEPT, KeptResults


@pytest.fixture
def outputs(tmp_path):
    return {"weights": tmp_path / "adapter/weights.bin", "record": tmp_path / "adapter/run.json"}


def write(outputs, content):
    for name, path in outputs.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)  # as Snakemake does
        path.write_text(f"{name} {content}")


def results(tmp_path, rate):
    return KeptResults(tmp_path / "kept/train/run", {"rate": rate, "code": "a"})


def test_results_come_back_when_a_setting_is_set_back(tmp_path, outputs):
    write(outputs, "slow")
    results(tmp_path, 0.1).keep(outputs)
    write(outputs, "fast")
    results(tmp_path, 0.2).keep(outputs)
    for path in outputs.values():
        path.unlink()
    assert results(tmp_path, 0.1).restore(outputs)
    assert outputs["weights"].read_text() == "weights slow"
    assert not results(tmp_path, 0.3).restore(outputs)
    assert outputs["weights"].read_text() == "weights slow"


def test_a_restored_file_is_as_new_as_a_computed_one(tmp_path, outputs):
    write(outputs, "a")
    for path in outputs.values():
        os.utime(path, (1, 1))
    results(tmp_path, 0.1).keep(outputs)
    results(tmp_path, 0.1).restore(outputs)
    assert all(path.stat().st_mtime > 1e9 for path in outputs.values())


def test_kept_files_take_no_space_of_their_own(tmp_path, outputs):
    write(outputs, "a")
    results(tmp_path, 0.1).keep(outputs)
    assert outputs["weights"].stat().st_nlink == 2


def test_a_file_system_without_hard_links_gets_copies(tmp_path, outputs, monkeypatch):
    def refused(*_):
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr(kept.os, "link", refused)
    write(outputs, "a")
    results(tmp_path, 0.1).keep(outputs)
    write(outputs, "b")
    assert results(tmp_path, 0.1).restore(outputs)
    assert outputs["record"].read_text() == "record a"


def test_only_the_last_few_are_kept(tmp_path, outputs):
    for rate in range(KEPT + 2):
        write(outputs, rate)
        results(tmp_path, rate).keep(outputs)
        os.utime(results(tmp_path, rate).place, (rate, rate))
    assert len(list((tmp_path / "kept/train/run").iterdir())) == KEPT
    assert not results(tmp_path, 0).restore(outputs)
    assert results(tmp_path, KEPT + 1).restore(outputs)


def test_what_is_incomplete_is_not_restored(tmp_path, outputs):
    write(outputs, "a")
    results(tmp_path, 0.1).keep(outputs)
    (results(tmp_path, 0.1).place / "record").unlink()
    assert not results(tmp_path, 0.1).restore(outputs)


def test_what_was_changed_in_place_is_not_restored(tmp_path, outputs):
    write(outputs, "a")
    results(tmp_path, 0.1).keep(outputs)
    outputs["weights"].write_text("rubbish")
    assert not results(tmp_path, 0.1).restore(outputs)
