"""A plan: every job with its prediction, ready to be told and to be kept."""

import functools
import heapq
from dataclasses import dataclass

from feyntune.core.errors import FeynTuneError
from feyntune.planning import calibrate, devices
from feyntune.planning.calibrate import device_name, measured_seconds
from feyntune.planning.jobs import is_about_content
from feyntune.planning.sizes import Sizes
from feyntune.planning.work import Estimator


def wall_seconds(jobs, seconds, offered):
    """Wall time of all jobs by a list schedule: a job begins as soon as what it needs is made and there is room.

    Args:
        jobs: ``jobs.Job`` by key.
        seconds: seconds by key of those that run; others are made already.
        offered: dict of ``jobs``, ``cores`` and ``gpu`` at a time; None is no limit.

    Returns:
        Seconds until the last job ends. What asks for more than is offered runs alone.
    """
    waiting = {key: {need for need in jobs[key].needs if need in seconds} for key in seconds}
    followers = {}
    for key, needs in waiting.items():
        for need in needs:
            followers.setdefault(need, []).append(key)
    ready = [key for key in seconds if not waiting[key]]
    running, now = [], 0.0
    while ready or running:
        ready = _begin(jobs, seconds, offered, ready, running, now)
        now, ended = heapq.heappop(running)
        for key in followers.get(ended, []):
            waiting[key].discard(ended)
            if not waiting[key]:
                ready.append(key)
    return now


def _begin(jobs, seconds, offered, ready, running, now):
    """Start what there is room for, in order; returns what still waits."""
    held = {"jobs": len(running), "cores": 0, "gpu": 0}
    for _, key in running:
        held["cores"] += jobs[key].threads
        held["gpu"] += jobs[key].gpu
    left = []
    for place, key in enumerate(ready):
        if any(offered[name] is not None and held[name] >= offered[name] for name in ("jobs", "cores")):
            return left + ready[place:]
        asked = {"jobs": 1, "cores": jobs[key].threads, "gpu": jobs[key].gpu}
        fits = all(limit is None or held[name] + asked[name] <= limit for name, limit in offered.items())
        if fits or not running:
            heapq.heappush(running, (now + seconds[key], key))
            held = {name: held[name] + asked[name] for name in held}
        else:
            left.append(key)
    return left


@dataclass
class Planned:
    """One job, what it has to do, and what it will take."""

    job: object
    """``jobs.Job``."""
    work: object
    """``work.Work``."""
    seconds: float | None
    """Wall time; None if nothing is known of its model."""
    measured: bool
    """Whether earlier jobs of its stage were measured."""
    memory: float | None
    """Bytes that it may hold: of its cards each, or of the machine if it has none; None if it has no limit."""

    @property
    def gpu_seconds(self):
        """Seconds times graphics cards."""
        return (self.seconds or 0) * self.job.gpu

    @property
    def asked_gpu_seconds(self):
        """What it asks for: its time limit times graphics cards."""
        return 60 * (self.job.runtime or 0) * self.job.gpu


@dataclass
class Plan:
    """All of it."""

    jobs: dict
    """``Planned`` by key, stale jobs only."""
    runs: list
    """Names of all runs, in their order."""
    total: int
    """Jobs in all, stale or not."""
    wall: float
    """Seconds until the last job ends."""
    offered: dict
    """What may run side by side: ``jobs``, ``cores``, ``gpu``; None is no limit."""
    card: object
    """``devices.Device`` of jobs that hold a card."""
    assumed: list
    """What was not known, in sentences."""


def make_plan(jobs, configuration, runs, offered):
    """Predict every stale job.

    Args:
        jobs: ``jobs.Job`` by key.
        configuration: ``configuration.Configuration``.
        runs: ``runs.Run`` by name.
        offered: see ``Plan``.
    """
    card = choose_card(configuration, jobs)
    sizes = Sizes(configuration, _outdated(jobs))
    estimator = Estimator(configuration, runs, sizes)
    works = {key: estimator.work(job.stage, job.wildcards) for key, job in jobs.items()}
    learned = _corrections(jobs, works, card)
    planned = {key: _planned(job, works[key], card, learned) for key, job in jobs.items() if job.stale}
    wall = wall_seconds(jobs, {key: each.seconds or 0 for key, each in planned.items()}, offered)
    return Plan(
        planned, list(runs), len(jobs), wall, offered, card, _assumed(configuration, planned, sizes, card, estimator)
    )


def _outdated(jobs):
    """Datasets whose files do not hold what the configuration says: of other settings, or made from such."""

    @functools.cache
    def other(key):
        job = jobs[key]
        return job.stale and (any(map(is_about_content, job.why)) or any(map(other, job.needs)))

    return {job.wildcards["dataset"] for key, job in jobs.items() if "dataset" in job.wildcards and other(key)}


def choose_card(configuration, jobs):
    """The graphics card that jobs run on: as configured, as the profile asks, as is here, or the default one.

    Raises FeynTuneError if the configured one is not known.
    """
    told = configuration.planning.card
    if told and not devices.find_card(told):
        known = ", ".join(card.name for card in devices.CARDS)
        raise FeynTuneError(f"config: $.planning.card: {told!r} is not in the table; take the likest of {known}")
    asked = next((job.card for job in jobs.values() if job.card), None)
    for text in (told, asked, devices.card_here()):
        if text and (card := devices.find_card(text)):
            return card
    return devices.find_card(devices.DEFAULT)


def _corrections(jobs, works, card):
    measured = {key: seconds for key, job in jobs.items() if (seconds := measured_seconds(job))}
    names = {key: device_name(jobs[key]) for key in measured}
    return calibrate.corrections(jobs, works, measured, names, card)


def _planned(job, work, card, learned):
    device = calibrate.device_of(job, card)
    prediction = calibrate.predict(job, work, device, learned)
    holds = card.memory if job.gpu else (job.mem_mb * 1e6 if job.mem_mb else None)
    return Planned(job, work, prediction.seconds, prediction.measured, holds)


def _assumed(configuration, planned, sizes, card, estimator):
    """What was taken for lack of better, in sentences."""
    lines = []
    if any(each.job.gpu for each in planned.values()):
        lines.append(f"graphics cards: {card.name}, {card.memory / 2**30:.0f} GB (planning.card names another)")
    absent = [name for name in configuration.datasets if not sizes.dataset(name).known]
    if absent:
        lines.append(
            f"{len(absent)} of {len(configuration.datasets)} datasets are not there: their sizes are estimated"
        )
    unknown = [entry for entry, shape in estimator.shapes.items() if shape is None]
    lines += [_shapeless(*entry) for entry in unknown if getattr(configuration, entry[0])[entry[1]].hub]
    measured = sum(each.measured for each in planned.values())
    by_table = len(planned) - measured
    return [*lines, f"time: of {measured} jobs by what earlier jobs of their stage took, of {by_table} by table"]


def _shapeless(registry, name):
    costs = "the costs of its runs are left out" if registry == "models" else "its jobs are taken for short"
    return (
        f"{registry}.{name}: its shape is not known, so {costs}; run `snakemake fetch`, or give planning.shapes.{name}"
    )
