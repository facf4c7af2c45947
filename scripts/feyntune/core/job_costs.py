"""What jobs took, from the benchmarks that Snakemake keeps of them, and how many graphics cards they held."""

import csv
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Benchmark:
    """The last run of a job."""

    seconds: float
    """Wall time."""
    memory: float | None
    """Largest resident memory of its processes in bytes; None for a job that was over before it was looked at."""
    began: float
    """When it began, in seconds since 1970."""


def read_benchmark(path):
    """The ``Benchmark`` in a file; None if it is not there: nothing is made again for the sake of its cost."""
    try:
        with open(path, newline="", encoding="utf-8") as file:
            row = list(csv.DictReader(file, delimiter="\t"))[-1]
        seconds = float(row["s"])
        return Benchmark(seconds, _bytes(row.get("max_rss")), Path(path).stat().st_mtime - seconds)
    except (OSError, ValueError, KeyError, IndexError):
        return None


def _bytes(mebibytes):
    try:
        return float(mebibytes) * 2**20
    except (TypeError, ValueError):  # Snakemake writes NA
        return None


def job_of(path, folder):
    """Name of the job of a benchmark: stage and wildcards, as in ``score/hep-th/tiny_base``."""
    return Path(path).relative_to(folder).with_suffix("").as_posix()


def gpus_of(job, cards):
    """Graphics cards that a job held.

    Args:
        job: from ``job_of``.
        cards: numbers by stage, and by job where one of them holds another number.
    """
    return cards.get(job, cards.get(job.split("/")[0], 0))
