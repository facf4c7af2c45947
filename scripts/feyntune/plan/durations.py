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


def seconds_by_table(work, device):
    """Seconds that a job takes by the table of devices; None if its work is not known."""
    if not work.known:
        return None
    start = device.start + work.loaded / DISK if work.operations else 0
    passes = work.operations / (device.operations * getattr(device, work.share))
    growing = work.steps * (work.layers * device.layer + work.moved / device.bandwidth)
    return work.seconds + start + passes + growing


def corrections(jobs, works, seconds, device_names, chosen):
    """By how much measured jobs took longer than the table says.

    Args:
        jobs: ``jobs.Job`` by key.
        works: ``work.Work`` by key.
        seconds: measured seconds by key.
        device_names: the devices on which they were measured by key, where their results tell.
        chosen: the ``devices.Device`` of jobs that hold a card.

    Returns:
        Median factors by stage, from jobs that ran on such a device as the coming ones will; of results that are not
        stale where there are any.
    """
    ratios = {}
    for key, measured in seconds.items():
        job = jobs[key]
        expected = seconds_by_table(works[key], device_of(job, chosen))
        if expected and _comparable(job, device_names.get(key), chosen):
            ratios.setdefault(job.stage, {True: [], False: []})[job.stale].append(measured / expected)
    return {stage: statistics.median(found[False] or found[True]) for stage, found in ratios.items()}


def _comparable(job, measured_on, chosen):
    if measured_on is None:
        return not job.gpu
    return devices.kind_of(measured_on) == (chosen.name if job.gpu else "CPU")


def predict(job, work, device, factors):
    """The ``Prediction`` of a job; ``factors`` are from ``corrections``."""
    by_table = seconds_by_table(work, device)
    factor = factors.get(job.stage)
    return Prediction(by_table and by_table * (factor or 1), factor is not None)
