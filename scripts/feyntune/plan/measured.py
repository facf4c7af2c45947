"""What jobs really took, and on which device: from benchmarks, and from the records that results carry."""

from pathlib import Path

from feyntune.benchmarks import read_benchmark
from feyntune.errors import FeynTuneError
from feyntune.files import read_json, table_provenance


def measured_seconds(job):
    """Wall time of the last run of a job (``jobs.Job``); None if it is not known.

    A training that took several jobs tells the time of all of them itself.
    """
    benchmark = read_benchmark(job.benchmark) if job.benchmark else None
    told = (_record(job.outputs).get("measured") or {}).get("seconds", 0)
    return max(benchmark.seconds, told) if benchmark else None


def device_name(job):
    """The device that a job's results tell of; None if they tell none."""
    return _record(job.outputs).get("device")


def _record(outputs):
    """The record in a training's `run.json`, or in a parquet file; empty if there is none, or a damaged one."""
    for path in map(Path, outputs):
        try:
            if path.name == "run.json":
                return read_json(path)
            if path.suffix == ".parquet" and path.stem not in ("history", "train", "test", "validation"):
                return table_provenance(path)
        except (FeynTuneError, OSError, ValueError):
            continue
    return {}
