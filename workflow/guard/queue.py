"""SLURM's queue, asked through its own programs."""

import subprocess

# Seconds after which a controller that does not answer is taken to be down.
PATIENCE = 60
# States in which a job has not written its last.
ALIVE = "PENDING,RUNNING,SUSPENDED,CONFIGURING,COMPLETING"


def ask(*command):
    """Output of one of SLURM's programs; None if the controller does not answer, or the program is not there."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    except (subprocess.TimeoutExpired, FileNotFoundError):
        return None
    return done.stdout if done.returncode == 0 else None


def is_answering():
    """Whether a controller answers."""
    return ask("squeue", "--noheader", "--me", "--states=PENDING", "--format=%i") is not None


def states(name):
    """State and reason of every job of this name that the controller remembers, by id; None if it does not answer."""
    text = ask("squeue", "--noheader", "--states=all", f"--name={name}", "--format=%i|%T|%r")
    return text if text is None else {row[0]: tuple(row[1:]) for row in _rows(text, 3)}


def alive(folder):
    """Ids of the jobs that a Snakemake in ``folder`` submitted and that have not ended; None if nobody answers.

    They work in that folder, and Snakemake's comment begins with ``rule_`` or ``group_``.
    """
    text = ask("squeue", "--noheader", "--me", f"--states={ALIVE}", "--format=%i|%Z|%k")
    if text is None:
        return None
    return [job for job, place, note in _rows(text, 3) if place == folder and note.startswith(("rule_", "group_"))]


def recorded_state(job):
    """The state of a job that the controller has forgotten, from the accounting database; None without one."""
    words = (
        ask("sacct", "--noheader", "--allocations", "--parsable2", f"--jobs={job}", "--format=State") or ""
    ).split()
    return words[0] if words else None


def _rows(text, columns):
    rows = [line.strip().split("|", columns - 1) for line in text.splitlines()]
    return [row for row in rows if len(row) == columns]
