"""Time and memory of jobs, from the benchmark files that Snakemake writes, and how many GPUs they held."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Benchmark:
    """The last run of a job."""

    seconds: float
    """Wall time."""
    memory: float | None
    """Largest resident memory of its processes in bytes; None for a job that ended before it was measured."""
    began: float
    """When it began, in seconds since 1970."""


def read_benchmark(path: str | Path) -> Benchmark | None:
    """The ``Benchmark`` in a file; None if it is missing: no job runs again only to be measured."""
    try:
        with open(path, newline="", encoding="utf-8") as file:
            row = list(csv.DictReader(file, delimiter="\t"))[-1]
        seconds = float(row["s"])
        return Benchmark(seconds, _bytes(row.get("max_rss")), Path(path).stat().st_mtime - seconds)
    except (OSError, ValueError, KeyError, IndexError):
        return None


def _bytes(mebibytes: str | None) -> float | None:
    try:
        return float(mebibytes or "NA") * 2**20
    except ValueError:  # Snakemake writes NA
        return None


def job_of(path: str | Path, folder: str | Path) -> str:
    """Name of the job of a benchmark: stage and wildcards, such as ``perplexity/hep-th/tiny_base``."""
    return Path(path).relative_to(folder).with_suffix("").as_posix()


def gpus_of(job: str, gpus: Mapping[str, int]) -> int:
    """Number of GPUs that a job held.

    Args:
        job: from ``job_of``.
        gpus: numbers by stage, and by job for jobs whose number differs from their stage's.
    """
    return gpus.get(job, gpus.get(job.split("/")[0], 0))
