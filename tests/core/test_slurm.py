"""The time that is left for a SLURM job."""

import time

import pytest

from feyntune.core import slurm


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1:05", 65),
        ("0:00", 0),
        ("2:00:10", 7210),
        ("1-23:59:59", 172799),
        ("UNLIMITED", None),
        ("NOT_SET", None),
        ("", None),
    ],
)
def test_durations_are_read_as_slurm_writes_them(text, seconds):
    assert slurm.parse_duration(text) == seconds


def test_outside_of_a_job_there_is_no_end(monkeypatch):
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    monkeypatch.setenv("SLURM_JOB_END_TIME", "1")
    assert slurm.seconds_left() is None


def test_a_newer_slurm_gives_the_end_in_the_environment(monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "1")
    monkeypatch.setenv("SLURM_JOB_END_TIME", str(int(time.time()) + 3600))
    assert 3500 < slurm.seconds_left() <= 3600


@pytest.mark.parametrize(("answer", "left"), [("echo 1-00:00:01", 86401), ("exit 1", None)])
def test_an_older_slurm_is_asked(monkeypatch, tmp_path, answer, left):
    (tmp_path / "squeue").write_text(f"#!/bin/sh\n{answer}\n")
    (tmp_path / "squeue").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    monkeypatch.setenv("SLURM_JOB_ID", "1")
    monkeypatch.delenv("SLURM_JOB_END_TIME", raising=False)
    assert slurm.seconds_left() == left


def test_without_squeue_the_time_is_unknown(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("SLURM_JOB_ID", "1")
    monkeypatch.delenv("SLURM_JOB_END_TIME", raising=False)
    assert slurm.seconds_left() is None
