"""SLURM's queue, asked through SLURM's own programs."""

from __future__ import annotations

import subprocess

TIMEOUT = 60
"""Seconds after which a controller that does not answer is taken to be down."""
UNFINISHED = "PENDING,RUNNING,SUSPENDED,CONFIGURING,COMPLETING"
"""States in which a job may still write."""


def ask(*command: str) -> str | None:
    """Output of one of SLURM's programs; None if the controller does not answer, or there is no such program."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    except (subprocess.TimeoutExpired, FileNotFoundError):
        return None
    return done.stdout if done.returncode == 0 else None


def is_answering() -> bool:
    """Whether the controller answers."""
    return ask("squeue", "--noheader", "--me", "--states=PENDING", "--format=%i") is not None


def states(name: str) -> dict[str, tuple[str, str]] | None:
    """State and reason by id of every job of this name that the controller remembers; None if it does not answer."""
    text = ask("squeue", "--noheader", "--states=all", f"--name={name}", "--format=%i|%T|%r")
    return None if text is None else {job: (state, reason) for job, state, reason in _rows(text, 3)}


def unfinished(folder: str) -> list[str] | None:
    """Ids of the jobs that a Snakemake in ``folder`` submitted and that have not ended; None without an answer.

    Such jobs work in that folder, and Snakemake's comment begins with ``rule_`` or ``group_``.
    """
    text = ask("squeue", "--noheader", "--me", f"--states={UNFINISHED}", "--format=%i|%Z|%k")
    if text is None:
        return None
    return [job for job, place, note in _rows(text, 3) if place == folder and note.startswith(("rule_", "group_"))]


def recorded_state(job: str) -> str | None:
    """State, by the accounting database, of a job that the controller has forgotten; None without a database."""
    text = ask("sacct", "--noheader", "--allocations", "--parsable2", f"--jobs={job}", "--format=State")
    words = (text or "").split()
    return words[0] if words else None


def _rows(text: str, columns: int) -> list[list[str]]:
    rows = [line.strip().split("|", columns - 1) for line in text.splitlines()]
    return [row for row in rows if len(row) == columns]
