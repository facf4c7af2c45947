"""The driver and its jobs are killed again and again, in every stage: the results are those of an uninterrupted run.

It takes about ten minutes on two otherwise idle cores: `make chaos`.
"""

import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import time

import pytest

from support.planted import QUICK
from support.workspace import PROJECT, Workspace

pytestmark = pytest.mark.chaos

KILLS = 4
"""In each stage."""
STAGES = {
    "read_snapshot": ("snapshots", 1),
    "build_dataset": ("datasets", 2),
    "demo_model": ("demo/model", 12),
    "evaluation_set": ("evaluation_sets", 1),
    "train": ("adapters", 12),
    "complete": ("completions", 8),
    "perplexity": ("perplexity", 8),
    "similarity": ("similarity", 4),
    "prepare_metric": ("references", 8),
    "metric": ("semscore", 8),
    "cpu_metric": ("rouge", 3),
    "collect": ("rouge/all.parquet", 1),
    "tables": ("tables", 3),
    "figures": ("figures", 5),
    "report": ("report.html", 2),
}
"""Each stage with its results, which are deleted to make it run, and the longest time after which it is killed."""
LOGS = {"demo_model": "demo/model.log", "tables": "tables.log", "figures": "figures.log", "report": "report.log"}
"""Logs of stages that have no folder of logs."""
MEASURED = ("report.html", "figures/time.png", "figures/time.svg", "plan.json")
"""Results that show how long jobs took."""
NO_RESULTS = ("logs", "costs", "checks", "kept", "sources")


def content(workspace):
    """Digests of all results by path, without what was measured."""
    results = workspace.folder / "results"
    paths = [path for path in results.rglob("*") if path.is_file() and not path.name.startswith(".")]
    names = {path.relative_to(results).as_posix(): path for path in paths}
    kept = {name: path for name, path in names.items() if name.split("/")[0] not in NO_RESULTS and name not in MEASURED}
    return {name: hashlib.sha256(_unmeasured(path)).hexdigest() for name, path in kept.items()}


def _unmeasured(path):
    if path.name != "run.json":
        return path.read_bytes()
    record = json.loads(path.read_text())
    return json.dumps({key: value for key, value in record.items() if key != "measured"}).encode()


def started(workspace, stage, since):
    """Whether a job of a stage has opened its log since a moment."""
    place = workspace.folder / "results/logs" / LOGS.get(stage, stage)
    logs = place.rglob("*.log") if place.is_dir() else [place]
    return any(log.exists() and log.stat().st_mtime > since for log in logs)


def kill_during(workspace, stage, seconds):
    """Start the whole job, and kill the driver with all its jobs ``seconds`` after a job of the stage has started.

    Returns:
        Whether it was killed before it ended.
    """
    since = time.time()
    with subprocess.Popen(
        workspace.command(*QUICK),
        cwd=workspace.folder,
        env=workspace.environment,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.STDOUT,
    ) as process:
        while process.poll() is None and not started(workspace, stage, since):
            time.sleep(0.02)
        end = time.monotonic() + seconds
        while process.poll() is None and time.monotonic() < end:
            time.sleep(0.01)
        killed = process.poll() is None
        if killed:
            os.killpg(process.pid, signal.SIGKILL)
    workspace.snakemake("--unlock", *QUICK)
    return killed


def remove(path):
    """Delete a file or a folder, if it is there."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def new_workspace(folder):
    workspace = Workspace(folder, environment={"OMP_NUM_THREADS": "1"})
    (workspace.folder / "tests").symlink_to(PROJECT / "tests")
    return workspace


def finish(workspace):
    finished = workspace.snakemake(*QUICK)
    assert finished.returncode == 0, finished.stdout


def test_killed_in_every_stage_the_results_are_those_of_an_uninterrupted_run(tmp_path):
    quiet, disturbed = (new_workspace(tmp_path / name) for name in ("quiet", "disturbed"))
    finish(quiet)
    random_numbers, kills = random.Random(0), dict.fromkeys(STAGES, 0)
    for stage, (results, longest) in STAGES.items():
        for attempt in range(2 * KILLS):
            remove(disturbed.folder / "results" / results)
            if attempt % 2:  # every other time a kept result is restored, if the stage has kept one
                remove(disturbed.folder / "results/kept")
            kills[stage] += kill_during(disturbed, stage, random_numbers.uniform(0, longest))
            if kills[stage] == KILLS:
                break
    print(kills)
    finish(disturbed)
    assert all(kills.values()), kills
    assert content(disturbed) == content(quiet)
    for folder in ("checkpoints", "shards"):
        assert not [path for path in (disturbed.folder / "results" / folder).rglob("*") if path.is_file()]
    assert "Nothing to be done" in disturbed.snakemake(*QUICK).stdout
