"""The whole embedded default, from nothing: how long, how busy the cores are, and what evaluating costs a training."""

import csv
import json
import os
import shutil
import subprocess
import sys
import time

from benchmarks.comparison import OURS, Benchmark, Case
from support.workspace import PROJECT

TARGET = "results/semscore/all.parquet"


def prepare(size, folder):
    """The workflow on so many cores, in a folder without results."""
    return Case(1, {OURS: lambda: _run(folder, cores=size)})


def _run(folder, cores):
    for each in ("results", ".snakemake"):
        shutil.rmtree(folder / each, ignore_errors=True)
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(PROJECT / "workflow/Snakefile")]
    command += ["--profile", str(PROJECT / "profiles/local"), "--cores", str(cores), TARGET]
    with open(folder / "log", "w") as log:
        begun = time.monotonic()
        subprocess.run(command, check=True, cwd=folder, stdout=log, stderr=log, env={**os.environ, "CI": "true"})
    return folder, cores * (time.monotonic() - begun)


def check(results):
    """The table is there; tell what the jobs cost, and which share of its time a training evaluates."""
    folder, available = results[OURS]
    assert (folder / TARGET).is_file()
    tables = [path.read_text().splitlines() for path in folder.glob("results/costs/*/**/*.tsv")]
    costs = [next(csv.DictReader(lines, delimiter="\t")) for lines in tables]
    seconds, processor = (sum(float(cost[name]) for cost in costs) for name in ("s", "cpu_time"))
    shares = [
        json.loads(path.read_text())["measured"]["evaluation_fraction"]
        for path in folder.glob("results/adapters/*/run.json")
    ]
    return (
        f"{len(costs)} jobs took {seconds:.0f} s, {seconds / available:.2f} of what the cores had,"
        f" and {processor:.0f} s of processors;"
        f" evaluations took {min(shares):.1%} to {max(shares):.1%} of trainings"
    )


BENCHMARKS = [
    Benchmark(
        name="pipeline",
        title=f"from nothing to {TARGET}, cores",
        unit="table",
        sizes=(2,),
        prepare=prepare,
        check=check,
        repetitions=1,
        with_memory=False,
        most_seconds={2: 300},
    )
]
