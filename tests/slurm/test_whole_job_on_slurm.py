"""The whole job through profiles/sulis, on a cluster that has no network: what was asked for, and what came of it."""

import json
import os
import re
import subprocess
import sys

import pytest
from driving import HASTE
from whole_job import LIMIT

from support.workspace import ENVIRONMENT, PROJECT, Workspace

pytestmark = pytest.mark.slurm

CONFIGURATION = ("config/config.yaml", "tests/end_to_end/quick.yaml", "tests/slurm/gpus.yaml")
WITHOUT_GPUS = {"PYTHONPATH": str(PROJECT / "tests/slurm/without_gpus")}
# Rules that the configuration gives a request of its own: cores, MB, minutes, GPUs.
ASKED = {
    "read_snapshot": (1, 1000, 10, 0),
    "build_dataset": (1, 1000, 10, 0),
    "control_papers": (1, 1000, 10, 0),
    "train": (2, 2000, 30, 1),
    "evaluation_set": (1, 1000, 10, 0),
    "dequantize": (1, 2000, 30, 1),
    "complete": (1, 2000, 30, 1),
    "perplexity": (1, 2000, 30, 1),
    "prepare_metric": (1, 2000, 10, 1),
    "metric": (1, 2000, 10, 1),
    "cpu_metric": (1, 2000, 10, 0),
    "similarity": (1, 1000, 10, 0),
    "collect": (1, 1000, 10, 0),
    "tables": (1, 1000, 10, 0),
    "figures": (1, 1000, 10, 0),
    "report": (1, 1000, 10, 0),
    "explore": (1, 1000, 10, 0),
    "check_metrics": (1, 1000, 10, 0),
    # The demo's own material, by the profile.
    "demo_snapshot": (1, 3850, 60, 0),
    "demo_model": (1, 2000, 60, 0),
    "demo_metric_model": (1, 2000, 60, 0),
}


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """A workspace in which the whole job has run on a cluster in a network namespace of its own."""
    workspace = new_workspace(tmp_path_factory.mktemp("on-slurm"))
    alone = ["unshare", "--net"] if os.geteuid() == 0 else ["unshare", "--net", "--map-root-user"]
    program = [sys.executable, str(PROJECT / "tests/slurm/whole_job.py"), str(workspace.folder)]
    options = [*HASTE, "--configfile", *CONFIGURATION]
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    environment = {**ENVIRONMENT, **WITHOUT_GPUS}
    finished = subprocess.run([*alone, *program, *options], env=environment, timeout=LIMIT + 60, check=False, **streams)
    assert finished.returncode == 0, finished.stdout
    return workspace


@pytest.fixture(scope="module")
def local(tmp_path_factory):
    """A workspace in which the same job has run on this machine alone."""
    workspace = new_workspace(tmp_path_factory.mktemp("local"))
    workspace.environment |= WITHOUT_GPUS
    finished = workspace.snakemake("--configfile", *CONFIGURATION)
    assert finished.returncode == 0, finished.stdout
    return workspace


def new_workspace(folder):
    """A workspace with the tests' configurations."""
    workspace = Workspace(folder)
    (workspace.folder / "tests").symlink_to(PROJECT / "tests")
    return workspace


@pytest.fixture(scope="module")
def jobs(done):
    """The jobs by rule, as SLURM has seen them."""
    found = {}
    for job in json.loads((done.folder / "jobs.json").read_text()):
        rule = re.match(r"rule_(.+?)(_wildcards_.*)?$", job["Comment"])[1]
        found.setdefault(rule, []).append(job)
    return found


def test_every_job_went_through_sbatch_with_what_its_rule_asks_for(jobs):
    assert set(jobs) == set(ASKED)
    for rule, (cores, memory, minutes, gpus) in ASKED.items():
        for job in jobs[rule]:
            asked = (job["NumCPUs"], job["MinMemoryNode"], job["TimeLimit"], job.get("TresPerJob"))
            gpu = f"gres:gpu:ampere_a100:{gpus}" if gpus else None
            time_limit = f"{minutes // 60:02}:{minutes % 60:02}:00"
            assert asked == (str(cores), f"{memory}M", time_limit, gpu), rule
            assert (job["Account"], job["Partition"], job["NumNodes"]) == ("su123", "gpu", "1"), rule


def test_no_job_was_started_twice_and_none_failed(jobs):
    started = [job["Comment"] for found in jobs.values() for job in found]
    assert len(started) == len(set(started)) == 38
    assert {job["JobState"] for found in jobs.values() for job in found} == {"COMPLETED"}
    assert {job["Restarts"] for found in jobs.values() for job in found} == {"0"}


def test_there_was_no_route_to_anywhere(done):
    assert len((done.folder / "routes").read_text().splitlines()) == 1  # the headline


def test_results_equal_the_local_runs_bit_for_bit(done, local):
    on_slurm, here = results(done), results(local)
    assert on_slurm.keys() == here.keys()
    assert [file for file in here if here[file] != on_slurm[file]] == []


def results(workspace):
    """The content of every result; of what is measured, such as times, only that it is there."""
    folder = workspace.folder / "results"
    found = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    kept = {name: content for name, content in found.items() if not name.startswith(("logs/", "costs/", "kept/"))}
    for name in ("report.html", "figures/time.png", "figures/time.svg"):
        kept[name] = name in kept
    for name in [name for name in kept if name.endswith("run.json")]:
        kept[name] = {key: value for key, value in json.loads(kept[name]).items() if key != "measured"}
    return kept
