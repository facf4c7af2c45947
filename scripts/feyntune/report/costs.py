"""What the last plan before each job predicted, against what the job took."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from feyntune.core.files import read_json
from feyntune.core.job_costs import Benchmark, gpus_of, job_of, read_benchmark
from feyntune.core.kept import was_restored
from feyntune.planning import calibrate
from feyntune.report.typeset import MISSING, number

if TYPE_CHECKING:
    import pandas


def costs(
    benchmarks: Iterable[Path], folder: Path, plan: Path, records: Iterable[Path], gpus: Mapping[str, int]
) -> pandas.DataFrame:
    """A row for each job that has a benchmark, as a DataFrame; without evaluations that restored their results.

    Columns: ``stage, job``; ``predicted`` and ``measured`` wall time in seconds, ``predicted_gpu`` and ``measured_gpu``
    the same times the GPUs that the job held; ``predicted_peak`` and ``measured_peak`` memory in bytes, of a GPU
    where the job held one. NaN where nothing was predicted, or where a GPU's memory was not measured.

    Args:
        benchmarks: Snakemake's benchmark files, of which some may be missing.
        folder: the folder that they are in.
        plan: file of the plan; it may be missing.
        records: trained runs' ``run.json``.
        gpus: GPUs that jobs held, as ``job_costs.gpus_of`` takes them.
    """
    import pandas

    predicted, trained = calibrate.read(plan), {_training_job(path): read_json(path) for path in records}
    rows = []
    for path in benchmarks:
        job = job_of(path, folder)
        if job not in trained and was_restored(job, folder.parent):
            continue
        if benchmark := read_benchmark(path):
            entry = calibrate.predicted_before(predicted, job, benchmark.began)
            rows.append(_row(job, benchmark, entry, trained.get(job), gpus_of(job, gpus)))
    return pandas.DataFrame(rows, columns=COLUMNS)


def _training_job(record: Path) -> str:
    """The job that wrote a ``run.json``, which is in the folder of adapters or in that of fully trained models."""
    rule = "train_full" if record.parent.parent.name == "full" else "train"
    return f"{rule}/{record.parent.name}"


COLUMNS = (
    "stage",
    "job",
    "predicted",
    "measured",
    "predicted_gpu",
    "measured_gpu",
    "predicted_peak",
    "measured_peak",
)


def _row(
    job: str, benchmark: Benchmark, entry: Mapping[str, Any], trained: Mapping[str, Any] | None, gpus: int
) -> dict[str, str | float | None]:
    measured = (trained or {}).get("measured", {})
    seconds = max(benchmark.seconds, measured.get("seconds", 0))  # a training may have taken several jobs
    peak = measured["peak_memory_mb"] * 2**20 if "peak_memory_mb" in measured else None if gpus else benchmark.memory
    expected = entry.get("seconds")
    gpu = (expected and expected * entry["gpus"], seconds * gpus)
    peaks = (entry.get("peak_memory_bytes"), peak)
    stage, _, rest = job.partition("/")
    return dict(zip(COLUMNS, (stage, rest, expected, seconds, *gpu, *peaks), strict=True))


def by_stage(table: pandas.DataFrame) -> pandas.DataFrame:
    """The same for each stage: sums of times over the jobs with a prediction and a measurement, and largest peaks.

    Without any prediction the times are those of all its jobs.
    """
    planned = table["predicted"].notna()
    compared = (table[planned] if planned.any() else table).astype(dict.fromkeys(COLUMNS[2:], float))
    stages = compared.groupby("stage", sort=False)
    sums = stages[["predicted", "measured", "predicted_gpu", "measured_gpu"]].sum(min_count=1)
    largest = stages[["predicted_peak", "measured_peak"]].max()
    return stages[["job"]].count().join(sums).join(largest).reset_index()


def costs_layout(table: pandas.DataFrame) -> pandas.DataFrame:
    """The columns as people read them; all times are in minutes, so that they can be compared down the column."""
    import pandas

    table = table.astype(dict.fromkeys(COLUMNS[2:], float))
    shown = {"Stage": table["stage"]}
    shown["Jobs" if pandas.api.types.is_numeric_dtype(table["job"]) else "Job"] = table["job"].astype(str)
    shown["Predicted (min)"] = table["predicted"].div(60).map(_one)
    shown["Measured (min)"] = table["measured"].div(60).map(_one)
    shown["Measured / predicted"] = table["measured"].div(table["predicted"]).map(lambda ratio: number(ratio, 2))
    if table["measured_gpu"].any():
        shown["Predicted (GPU-hours)"] = table["predicted_gpu"].div(3600).map(lambda hours: number(hours, 2))
        shown["Measured (GPU-hours)"] = table["measured_gpu"].div(3600).map(lambda hours: number(hours, 2))
    shown["Predicted peak (GB)"] = table["predicted_peak"].div(1e9).map(_one)
    shown["Measured peak (GB)"] = table["measured_peak"].div(1e9).map(_one)
    return pandas.DataFrame(shown)


def _one(value: float) -> str:
    return MISSING if value != value else number(value, 1 if value >= 1 else 2)
