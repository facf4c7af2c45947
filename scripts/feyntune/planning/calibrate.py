"""Predicted times: from the table of devices, corrected by measured jobs; predictions are kept for the report."""

from __future__ import annotations

import statistics
import time
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from feyntune.core.errors import FeynTuneError
from feyntune.core.files import read_json, table_provenance, write_json
from feyntune.core.job_costs import read_benchmark
from feyntune.core.kept import was_restored
from feyntune.planning import devices

if TYPE_CHECKING:
    from feyntune.planning.devices import Device
    from feyntune.planning.jobs import Job
    from feyntune.planning.plan import Plan, Planned
    from feyntune.planning.work import Work

DISK = 1e9
"""Bytes per second at which weights are read."""


@dataclass
class Prediction:
    """The time that a job will take."""

    seconds: float | None
    """None if the shape of its model is not known."""
    measured: bool
    """Whether earlier jobs of its stage were measured."""


def device_of(job: Job, gpu: Device) -> Device:
    """The device that a job computes on: ``gpu`` if it asks for one."""
    return gpu if job.gpu else devices.cpu(job.threads)


def by_table(work: Work, device: Device) -> tuple[float, float] | None:
    """Seconds that a job takes by the table of devices; None if the shape of its model is not known.

    Returns:
        The time before its first token, and the time that grows with its work.
    """
    if not work.known:
        return None
    if not work.operations:
        return 0, work.seconds
    compute = work.operations / device.rate(work.phase)
    decoding = work.steps * (work.layers * device.layer + work.moved / device.bandwidth)
    return work.seconds + device.start + work.loaded / DISK, compute + decoding


@dataclass(frozen=True)
class Correction:
    """How measured jobs of a stage change the table's seconds: a factor, or only an addition."""

    factor: float = 1
    """From jobs that worked longer than they took to start."""
    extra: float = 0
    """Seconds, from jobs that mostly started: they show nothing about the speed of the work."""


def corrections(
    jobs: Mapping[str, Job],
    works: Mapping[str, Work],
    seconds: Mapping[str, float],
    device_names: Mapping[str, str | None],
    gpu: Device,
) -> dict[str, Correction]:
    """Compare measured jobs with the table.

    Args:
        jobs: all jobs by key.
        works: their work by key.
        seconds: measured seconds by key.
        device_names: the devices on which they were measured by key, where their results record it.
        gpu: the GPU of jobs that ask for one.

    Returns:
        A correction by stage: the median over jobs that ran on the same kind of device as the planned ones; over
        results that are not stale if there are any.
    """
    found: dict[str, dict[bool, list[tuple[float, float, float]]]] = defaultdict(lambda: {True: [], False: []})
    for key, measured in seconds.items():
        job = jobs[key]
        expected = by_table(works[key], device_of(job, gpu))
        if expected and _comparable(job, device_names.get(key), gpu):
            found[job.stage][job.stale].append((*expected, measured))
    return {stage: _correction(measured[False] or measured[True]) for stage, measured in found.items()}


def _correction(measured: Sequence[tuple[float, float, float]]) -> Correction:
    """From triples of the table's time to start, its time of work, and the measured sum of both."""
    factors = [took / (start + work) for start, work, took in measured if work > start]
    if factors:
        return Correction(factor=statistics.median(factors))
    return Correction(extra=statistics.median(took - start - work for start, work, took in measured))


def _comparable(job: Job, measured_on: str | None, gpu: Device) -> bool:
    if measured_on is None:
        return not job.gpu
    return devices.comparable_name(measured_on) == (gpu.name if job.gpu else "CPU")


def predict(job: Job, work: Work, device: Device, learned: Mapping[str, Correction]) -> Prediction:
    """Predict the time of a job; ``learned`` is from ``corrections``."""
    expected = by_table(work, device)
    if expected is None:
        return Prediction(None, False)
    correction = learned.get(job.stage, Correction())
    return Prediction(max(1, sum(expected) * correction.factor + correction.extra), job.stage in learned)


def measured_seconds(job: Job) -> float | None:
    """Wall time of the last run of a job; None if it is not known.

    A training that took several jobs records the time of all of them itself. A job that restored its result was not
    measured.
    """
    benchmark = read_benchmark(job.benchmark) if job.benchmark else None
    recorded = (_record(job.outputs).get("measured") or {}).get("seconds", 0)
    if not recorded and was_restored(job.key, FILE.parent):
        return None
    return max(benchmark.seconds, recorded) if benchmark else None


def device_name(job: Job) -> str | None:
    """The device that a job's results name; None if they name none."""
    return _record(job.outputs).get("device")


def engine_name(job: Job) -> str | None:
    """The generation engine that a job's results name; None if they name none."""
    return _record(job.outputs).get("engine")


def _record(outputs: Sequence[str]) -> dict[str, Any]:
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


FILE = Path("results/plan.json")
KEPT = 3
"""Predictions kept per job, the newest: one may have been made after the job ran."""

Kept = dict[str, list[dict[str, Any]]]
"""Kept predictions by job, oldest first."""


def keep(plan: Plan, known: Collection[str], path: Path = FILE, now: float | None = None) -> None:
    """Add the predictions of a plan to those that are kept; drop jobs that no longer exist and never ran.

    Args:
        plan: the plan.
        known: keys of all jobs of the workflow, stale or not.
        path: file to write; the folder `costs` beside it has the benchmarks of all jobs that ran.
        now: time of the plan in seconds since 1970; None is now.
    """
    costs, planned = path.parent / "costs", round(now or time.time())
    kept = {key: entries for key, entries in read(path).items() if key in known or (costs / f"{key}.tsv").is_file()}
    for key, each in plan.jobs.items():
        kept[key] = [*kept.get(key, []), {"planned": planned, **_entry(each)}][-KEPT:]
    write_json(path, {"jobs": kept})


def read(path: Path = FILE) -> Kept:
    """The kept predictions; none if the file does not exist or cannot be read."""
    try:
        kept = {str(job): [dict(entry) for entry in entries] for job, entries in read_json(path)["jobs"].items()}
    except (FeynTuneError, ValueError, KeyError, TypeError, AttributeError):
        return {}
    complete = all(isinstance(entry.get("planned"), int | float) for entries in kept.values() for entry in entries)
    return kept if complete else {}


def predicted_before(kept: Kept, job: str, moment: float) -> dict[str, Any]:
    """The last prediction of a job that was made before a moment; an empty dict if there is none.

    Args:
        kept: from ``read``.
        job: stage and wildcards, as in ``perplexity/hep-th/tiny_base``.
        moment: seconds since 1970, when the job began.
    """
    made = [entry for entry in kept.get(job, []) if entry["planned"] <= moment]
    return made[-1] if made else {}


def _entry(each: Planned) -> dict[str, Any]:
    job, work = each.job, each.work
    return {
        "why": job.why,
        "tokens": work.tokens and round(work.tokens),
        "seconds": each.seconds and round(each.seconds, 1),
        "gpus": job.gpu,
        "peak_memory_bytes": work.peak and round(work.peak),
        "disk_bytes": round(work.disk),
        "measured": each.measured,
    }
