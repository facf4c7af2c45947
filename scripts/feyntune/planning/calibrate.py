"""Plans that are kept, so that afterwards what was predicted can be compared with what was measured."""

import json
import statistics
import time
from dataclasses import dataclass
from pathlib import Path

from feyntune.core.errors import FeynTuneError
from feyntune.core.files import read_json, table_provenance, write_json
from feyntune.core.job_costs import read_benchmark
from feyntune.planning import devices

DISK = 1e9
"""Bytes a second at which weights are read."""


@dataclass
class Prediction:
    """What a job will take."""

    seconds: float | None
    """None if nothing is known of its model."""
    measured: bool
    """Whether earlier jobs of its stage were measured."""


def device_of(job, chosen):
    """The device that a job computes on.

    Args:
        job: ``jobs.Job``.
        chosen: the ``devices.Device`` of jobs that hold a card.
    """
    return chosen if job.gpu else devices.processor(job.threads)


def by_table(work, device):
    """Seconds that a job takes by the table of devices, as a pair; None if its work is not known.

    The first is what it takes before its first token, the second what grows with its work.
    """
    if not work.known:
        return None
    if not work.operations:
        return 0, work.seconds
    passes = work.operations / (device.operations * getattr(device, work.share))
    growing = work.steps * (work.layers * device.layer + work.moved / device.bandwidth)
    return work.seconds + device.start + work.loaded / DISK, passes + growing


@dataclass(frozen=True)
class Correction:
    """What earlier jobs of a stage teach: to multiply the table's seconds, or only to add to them."""

    factor: float = 1
    """From jobs that worked longer than they took to start."""
    extra: float = 0
    """Seconds, from jobs that hardly did anything but start: they say nothing of how fast the work goes."""


def corrections(jobs, works, seconds, device_names, chosen):
    """How much longer measured jobs took than the table says.

    Args:
        jobs: ``jobs.Job`` by key.
        works: ``work.Work`` by key.
        seconds: measured seconds by key.
        device_names: the devices on which they were measured by key, where their results tell.
        chosen: the ``devices.Device`` of jobs that hold a card.

    Returns:
        ``Correction`` by stage, medians over the jobs that ran on such a device as the coming ones will; over results
        that are not stale where there are any.
    """
    found = {}
    for key, measured in seconds.items():
        job = jobs[key]
        expected = by_table(works[key], device_of(job, chosen))
        if expected and _comparable(job, device_names.get(key), chosen):
            found.setdefault(job.stage, {True: [], False: []})[job.stale].append((*expected, measured))
    return {stage: _correction(measured[False] or measured[True]) for stage, measured in found.items()}


def _correction(measured):
    """From triples of what the table says of start and work, and what was measured of both together."""
    factors = [took / (start + work) for start, work, took in measured if work > start]
    if factors:
        return Correction(factor=statistics.median(factors))
    return Correction(extra=statistics.median(took - start - work for start, work, took in measured))


def _comparable(job, measured_on, chosen):
    if measured_on is None:
        return not job.gpu
    return devices.kind_of(measured_on) == (chosen.name if job.gpu else "CPU")


def predict(job, work, device, learned):
    """The ``Prediction`` of a job; ``learned`` is from ``corrections``."""
    expected, correction = by_table(work, device), learned.get(job.stage)
    if expected is None:
        return Prediction(None, False)
    told = correction or Correction()
    return Prediction(max(1, sum(expected) * told.factor + told.extra), correction is not None)


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


FILE = Path("results/plan.json")
KEPT = 3
"""Predictions of each job that are kept, the newest: one may have been made after the job ran."""


def keep(plan, known, path=FILE, now=None):
    """Add the predictions of a plan to those that are kept; forget jobs that are none any more and never ran.

    Args:
        plan: ``making.Plan``.
        known: keys of all jobs of the workflow, stale or not.
        path: file to write; the folder `costs` beside it has the benchmarks of what ran.
        now: when it was made, in seconds since 1970; None is now.
    """
    costs, now = Path(path).parent / "costs", round(now or time.time())
    kept = {key: made for key, made in read(path).items() if key in known or (costs / f"{key}.tsv").is_file()}
    for key, each in plan.jobs.items():
        kept[key] = [*kept.get(key, []), {"planned": now, **_entry(each)}][-KEPT:]
    write_json(path, {"jobs": kept})


def read(path=FILE):
    """The kept predictions by job, oldest first; none if there is no such file, or none that can be read."""
    try:
        return dict(json.loads(Path(path).read_text(encoding="utf-8"))["jobs"])
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def predicted_before(kept, job, moment):
    """The last prediction of a job that was made before a moment; an empty dict if there is none.

    Args:
        kept: from ``read``.
        job: stage and wildcards, as in ``score/hep-th/tiny_base``.
        moment: seconds since 1970, when the job began.
    """
    made = [entry for entry in kept.get(job, []) if entry["planned"] <= moment]
    return made[-1] if made else {}


def _entry(each):
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
