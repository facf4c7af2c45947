"""What each stage took, from the benchmarks that Snakemake keeps of its jobs."""

import csv

from feyntune.report.figures.rows import label_rows
from feyntune.report.figures.style import WIDTH, empty_figure, new_figure

COLOUR = "#0072B2"


def read_benchmarks(paths, folder):
    """Seconds of each job by stage, in the order given: a stage is the first folder of a path under ``folder``."""
    stages = {}
    for path in paths:
        with open(path, newline="", encoding="utf-8") as file:
            seconds = [float(row["s"]) for row in csv.DictReader(file, delimiter="\t")]
        stages.setdefault(path.relative_to(folder).parts[0], []).extend(seconds)
    return stages


def time_figure(stages, gpus):
    """Bars: hours of all jobs of a stage, and where GPUs were held, GPU-hours.

    Args:
        stages: seconds of each job, by stage.
        gpus: GPUs that each job of a stage held, by stage.
    """
    if not stages:
        return empty_figure("No job has left a benchmark.")
    hours = {stage: sum(seconds) / 3600 for stage, seconds in stages.items()}
    gpu_hours = {stage: hours[stage] * gpus.get(stage, 0) for stage in stages}
    panels = {"Hours of all jobs": hours, **({"GPU-hours": gpu_hours} if any(gpu_hours.values()) else {})}
    figure = new_figure(WIDTH, 0.7 + 0.25 * len(stages))
    axes = figure.subplots(1, len(panels), squeeze=False)[0]
    for place, (axis, (title, values)) in enumerate(zip(axes, panels.items(), strict=True)):
        _draw_bars(axis, title, values, stages, shown=place == 0)
    return figure


def _draw_bars(axis, title, values, stages, shown):
    label_rows(axis, list(values), shown=shown)
    bars = axis.barh(range(len(values)), list(values.values()), color=COLOUR, height=0.6)
    jobs = [f" {_duration(hours)}, {len(stages[stage])} jobs" for stage, hours in values.items()]
    axis.bar_label(bars, labels=jobs, fontsize=7)
    axis.set_title(title)
    axis.margins(x=0.3)


def _duration(hours):
    return f"{hours:.1f} h" if hours >= 1 else f"{60 * hours:.1f} min"
