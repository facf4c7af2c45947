"""A plan: every stale job with its prediction, and the wall time of all of them."""

from __future__ import annotations

import functools
import heapq
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

from feyntune.core.errors import FeynTuneError
from feyntune.core.files import read_json
from feyntune.planning import calibrate, devices
from feyntune.planning.calibrate import device_name, engine_name, measured_seconds
from feyntune.planning.context import Context
from feyntune.planning.devices import Device
from feyntune.planning.estimates import estimate
from feyntune.planning.jobs import RESTORED, Job, Offered, is_about_content
from feyntune.planning.restored import restored_jobs
from feyntune.planning.sizes import Sizes
from feyntune.planning.work import Work

if TYPE_CHECKING:
    from feyntune.config.load import Configuration
    from feyntune.config.runs import Run

CHECK = Path("results/check/compute.json")
"""What `snakemake check` has measured on a compute node."""


def wall_seconds(jobs: Mapping[str, Job], seconds: Mapping[str, float], offered: Offered) -> float:
    """Wall time of all jobs by a list schedule: a job starts as soon as its inputs exist and resources are free.

    Args:
        jobs: all jobs by key.
        seconds: seconds by key of those that run; the results of the others exist.
        offered: what may be used at a time.

    Returns:
        Seconds until the last job ends. A job that asks for more than is offered runs alone.
    """
    waiting = {key: {need for need in jobs[key].needs if need in seconds} for key in seconds}
    followers: dict[str, list[str]] = {}
    for key, needs in waiting.items():
        for need in needs:
            followers.setdefault(need, []).append(key)
    ready = [key for key in seconds if not waiting[key]]
    running: list[tuple[float, str]] = []
    now = 0.0
    while ready or running:
        ready = _start(jobs, seconds, offered, ready, running, now)
        now, ended = heapq.heappop(running)
        for key in followers.get(ended, []):
            waiting[key].discard(ended)
            if not waiting[key]:
                ready.append(key)
    return now


def _start(
    jobs: Mapping[str, Job],
    seconds: Mapping[str, float],
    offered: Offered,
    ready: Sequence[str],
    running: list[tuple[float, str]],
    now: float,
) -> list[str]:
    """Start the jobs that fit, in order, and add them to ``running``; returns those that still wait."""
    limits = {name: limit for name, limit in cast("Mapping[str, int | None]", offered).items() if limit is not None}
    held = {"jobs": len(running), "cores": 0, "gpu": 0}
    for _, key in running:
        held["cores"] += jobs[key].threads
        held["gpu"] += jobs[key].gpu
    left: list[str] = []
    for place, key in enumerate(ready):
        if any(name in limits and held[name] >= limits[name] for name in ("jobs", "cores")):
            return [*left, *ready[place:]]
        asked = {"jobs": 1, "cores": jobs[key].threads, "gpu": jobs[key].gpu}
        fits = all(held[name] + asked[name] <= limit for name, limit in limits.items())
        if fits or not running:
            heapq.heappush(running, (now + seconds[key], key))
            held = {name: held[name] + asked[name] for name in held}
        else:
            left.append(key)
    return left


@dataclass
class Planned:
    """One job with its work and its prediction."""

    job: Job
    work: Work
    seconds: float | None
    """Wall time; None if the shape of its model is not known."""
    measured: bool
    """Whether earlier jobs of its stage were measured."""
    memory: float | None
    """Bytes that it may use: of each of its GPUs, or of the machine if it has none; None if there is no limit."""

    @property
    def gpu_seconds(self) -> float:
        """Seconds times GPUs; none for a job that restores its result."""
        return 0 if self.job.restored else (self.seconds or 0) * self.job.gpu

    @property
    def asked_gpu_seconds(self) -> float:
        """Time limit in seconds times GPUs; none for a job that restores its result."""
        return 0 if self.job.restored else 60 * (self.job.runtime or 0) * self.job.gpu


@dataclass
class Plan:
    """All stale jobs, and what was assumed about them."""

    jobs: dict[str, Planned]
    """By key, stale jobs only."""
    runs: list[str]
    """Names of all runs, in their order."""
    total: int
    """Number of all jobs, stale or not."""
    wall: float
    """Seconds until the last job ends."""
    offered: Offered
    """What may be used at a time."""
    device: Device
    """The GPU of jobs that ask for one."""
    assumed: list[str]
    """Sentences about values that were not known."""


def make_plan(jobs: Mapping[str, Job], configuration: Configuration, runs: Mapping[str, Run], offered: Offered) -> Plan:
    """Predict every stale job.

    Args:
        jobs: all jobs by key.
        configuration: the configuration.
        runs: its runs by name.
        offered: what may be used at a time.

    Raises:
        FeynTuneError: the configured GPU is not in the table.
    """
    jobs = _with_restored(jobs)
    measured = checked_gpu()
    gpu = choose_gpu(configuration, jobs, measured)
    sizes = Sizes(configuration, _outdated(jobs))
    context = Context(configuration, runs, sizes, gpu.memory)
    works = {key: estimate(context, job.stage, job.wildcards) for key, job in jobs.items()}
    learned = _corrections(jobs, works, gpu)
    planned = {key: _planned(job, works[key], gpu, learned) for key, job in jobs.items() if job.stale}
    wall = wall_seconds(jobs, {key: each.seconds or 0 for key, each in planned.items()}, offered)
    about_data = _assumed(configuration, planned, sizes, gpu, gpu is measured)
    assumed = [*about_data, *_shapeless(context), _basis(planned)]
    return Plan(planned, list(runs), len(jobs), wall, offered, gpu, assumed)


def _with_restored(jobs: Mapping[str, Job]) -> dict[str, Job]:
    """The same jobs; those that will restore their results say so first."""
    restored = restored_jobs(jobs)
    return {
        key: replace(job, restored=True, why=[RESTORED, *job.why]) if key in restored else job
        for key, job in jobs.items()
    }


def _outdated(jobs: Mapping[str, Job]) -> set[str]:
    """Datasets whose files do not match the configuration: made with other settings, or from such files."""

    @functools.cache
    def outdated(key: str) -> bool:
        job = jobs[key]
        return job.stale and (any(map(is_about_content, job.why)) or any(map(outdated, job.needs)))

    return {job.wildcards["dataset"] for key, job in jobs.items() if "dataset" in job.wildcards and outdated(key)}


def checked_gpu() -> Device | None:
    """The GPU that `snakemake check` has measured; None if there was no check, or no GPU."""
    return devices.measured_gpu(read_json(CHECK)["rates"]) if CHECK.is_file() else None


def choose_gpu(configuration: Configuration, jobs: Mapping[str, Job], measured: Device | None = None) -> Device:
    """The GPU that jobs run on: the configured one, the profile's, this machine's, the measured one, or the default.

    Args:
        configuration: the configuration.
        jobs: all jobs by key.
        measured: from ``checked_gpu``; its rates replace those of the table for the same GPU.

    Raises:
        FeynTuneError: the configured one is not in the table.
    """
    configured = configuration.planning.gpu
    if configured and not devices.find_gpu(configured):
        known = ", ".join(gpu.name for gpu in devices.GPUS)
        raise FeynTuneError(f"config: $.planning.gpu: {configured!r} is not in the table; use the closest of {known}")
    asked = next((job.gpu_model for job in jobs.values() if job.gpu_model), None)
    named = (devices.find_gpu(text) for text in (configured, asked, devices.local_gpu()) if text)
    chosen = next(filter(None, named), measured or devices.DEFAULT)
    return measured if measured and measured.name == chosen.name else chosen


def _corrections(jobs: Mapping[str, Job], works: Mapping[str, Work], gpu: Device) -> dict[str, calibrate.Correction]:
    """From jobs that used the planned generation engine, if any: another engine's speed says nothing about it."""
    measured = {key: seconds for key, job in jobs.items() if (seconds := measured_seconds(job))}
    measured = {key: seconds for key, seconds in measured.items() if _same_engine(jobs[key], works[key])}
    names = {key: device_name(jobs[key]) for key in measured}
    return calibrate.corrections(jobs, works, measured, names, gpu)


def _same_engine(job: Job, work: Work) -> bool:
    return engine_name(job) in (None, work.engine)


def _planned(job: Job, work: Work, gpu: Device, learned: Mapping[str, calibrate.Correction]) -> Planned:
    if job.restored:
        return Planned(job, Work(), Work().seconds, measured=False, memory=None)
    prediction = calibrate.predict(job, work, calibrate.device_of(job, gpu), learned)
    memory = gpu.memory if job.gpu else (job.mem_mb * 1e6 if job.mem_mb else None)
    return Planned(job, work, prediction.seconds, prediction.measured, memory)


def _assumed(
    configuration: Configuration, planned: Mapping[str, Planned], sizes: Sizes, gpu: Device, is_measured: bool
) -> Iterator[str]:
    """Sentences about the GPU and about datasets that do not exist yet."""
    if gpu.memory and any(each.job.gpu for each in planned.values()):
        source = f"measured by `snakemake check` ({CHECK})" if is_measured else "from the table of devices"
        yield f"GPU: {gpu.name}, {gpu.memory / 2**30:.0f} GB (planning.gpu names another); its rates are {source}"
    restored = Counter(each.job.stage for each in planned.values() if each.job.restored)
    if restored:
        counts = ", ".join(f"{count} {stage}" for stage, count in restored.items())
        yield f"restored from results/kept without GPU time: {counts}"
    absent = [name for name in configuration.datasets if not sizes.dataset(name).known]
    if absent:
        yield f"{len(absent)} of {len(configuration.datasets)} datasets do not exist yet: their sizes are estimated"


def _shapeless(context: Context) -> Iterator[str]:
    """Sentences about models of the hub whose shape is not known."""
    effect = {"models": "the costs of its runs are left out", "metrics": "its jobs are assumed to be short"}
    for (registry, name), shape in context.shapes.items():
        if shape is None and getattr(context.configuration, registry)[name].hub:
            remedy = f"run `snakemake fetch`, or set planning.shapes.{name}"
            yield f"{registry}.{name}: its shape is not known, so {effect[registry]}; {remedy}"


def _basis(planned: Mapping[str, Planned]) -> str:
    """A sentence about where the times come from."""
    measured = sum(each.measured for each in planned.values())
    by_table = len(planned) - measured
    return f"times: {measured} jobs from earlier jobs of their stage, {by_table} from the table of devices"
