"""Sources that are gone, that are dated in the future, and the record of what results were made from."""

import os
import time
from pathlib import Path

import pytest

from feyntune.config.sources import SourceFiles, check_dates, note
from feyntune.core.errors import FeynTuneError


@pytest.fixture
def source(tmp_path, monkeypatch):
    """A source that is there, with results that were made from it and recorded."""
    monkeypatch.chdir(tmp_path)
    for name in ("own.jsonl", "store.parquet", "report.json"):
        Path(name).write_text("")
    made = SourceFiles("$.snapshots.a", ["own.jsonl"], {"b": 1}, ["store.parquet", "report.json"], "record.json")
    note(Path(made.record), made.files, made.settings)
    return made


def test_results_are_left_only_if_the_source_is_gone_and_all_of_them_are_there(source):
    assert not source.is_left()
    Path("own.jsonl").unlink()
    assert source.is_left()
    assert source.explain().startswith("note: $.snapshots.a: no file 'own.jsonl'; store.parquet was made from it")
    Path("report.json").unlink()
    assert not source.is_left()


def test_results_without_a_record_are_left_too(source):
    Path("own.jsonl").unlink()
    Path(source.record).unlink()
    assert source.is_left()


@pytest.mark.parametrize("change", [{"files": ["typo.jsonl"]}, {"settings": {"b": 2}}])
def test_results_of_another_source_or_other_settings_are_refused(source, change):
    Path("own.jsonl").unlink()
    other = SourceFiles(**{**vars(source), **change})
    with pytest.raises(FeynTuneError, match=r"\$.snapshots.a: no file .*jsonl', and store.parquet was made from other"):
        other.is_left()


def test_files_that_the_workflow_makes_are_never_missing(source):
    assert SourceFiles(**{**vars(source), "files": ["results/demo/snapshot.jsonl"]}).missing == []


@pytest.mark.parametrize(("ahead", "refused"), [(-10, False), (30, False), (7200, True)])
def test_dates_in_the_future_are_refused_beyond_a_minute(source, ahead, refused):
    os.utime("own.jsonl", (1, time.time() + ahead))
    if refused:
        with pytest.raises(FeynTuneError, match=r"own.jsonl is dated 2.0 hours in the future"):
            check_dates("$.snapshots.a", ["own.jsonl"])
    else:
        check_dates("$.snapshots.a", ["own.jsonl", "missing"])
