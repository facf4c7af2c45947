"""How long work takes on a device: from the table of devices, corrected by what earlier jobs really took."""

import statistics
from dataclasses import dataclass

from feyntune.plan import devices

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
