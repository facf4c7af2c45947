"""The time that each stage took, from the benchmarks that Snakemake keeps of its jobs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from feyntune.core.job_costs import gpus_of, job_of, read_benchmark
from feyntune.core.kept import was_restored
from feyntune.report.figures.rows import label_rows
from feyntune.report.figures.style import WIDTH, empty_figure, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOUR = "#0072B2"
UNITS = {"h": 3600, "min": 60, "s": 1}


def read_benchmarks(paths: Iterable[Path], folder: Path) -> dict[str, dict[str, float]]:
    """Seconds by stage and job, in the order given: a stage is the first part of a path under ``folder``.

    Jobs that restored their results are left out: they computed nothing.
    """
    stages: dict[str, dict[str, float]] = {}
    for path in paths:
        job = job_of(path, folder)
        benchmark = read_benchmark(path)
        if benchmark and not was_restored(job, folder.parent):
            stages.setdefault(job.split("/")[0], {})[job] = benchmark.seconds
    return stages


def time_figure(stages: Mapping[str, Mapping[str, float]], gpus: Mapping[str, int]) -> Figure:
    """Bars: the time of all jobs of a stage together, and where jobs held GPUs, that time multiplied by their number.

    Args:
        stages: seconds by stage and job.
        gpus: GPUs that jobs held, as ``job_costs.gpus_of`` takes them.
    """
    if not stages:
        return empty_figure("There is no benchmark of any job.")
    seconds = {stage: sum(jobs.values()) for stage, jobs in stages.items()}
    gpu_seconds = {
        stage: sum(took * gpus_of(job, gpus) for job, took in jobs.items()) for stage, jobs in stages.items()
    }
    panels = {"Time of all jobs": seconds, **({"GPU time": gpu_seconds} if any(gpu_seconds.values()) else {})}
    labels = [f"{stage} ({len(jobs)} {'job' if len(jobs) == 1 else 'jobs'})" for stage, jobs in stages.items()]
    figure = new_figure(WIDTH, 0.8 + 0.22 * len(stages))
    axes = figure.subplots(1, len(panels), squeeze=False)[0]
    for place, (axis, (title, values)) in enumerate(zip(axes, panels.items(), strict=True)):
        label_rows(axis, labels, shown=place == 0)
        _draw_bars(axis, title, list(values.values()))
    return figure


def _draw_bars(axis: Axes, title: str, seconds: Sequence[float]) -> None:
    unit = _unit(max(seconds))
    bars = axis.barh(range(len(seconds)), [value / UNITS[unit] for value in seconds], color=COLOUR, height=0.6)
    axis.bar_label(bars, labels=[_duration(value) for value in seconds], padding=3, fontsize=7)
    axis.set(title=f"{title} ({unit})", xlim=(0, 1.2 * max(seconds) / UNITS[unit]))


def _unit(seconds: float) -> str:
    """The largest unit that fits at least once, else the smallest."""
    return next((unit for unit, length in UNITS.items() if seconds >= length), "s")


def _duration(seconds: float) -> str:
    unit = _unit(seconds)
    return f"{seconds / UNITS[unit]:.1f} {unit}" if seconds else ""
