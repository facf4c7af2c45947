"""The paper's whole plan on two nodes of three GPUs, its programs replaced by sleeps: what the queue makes of it."""

import datetime
import json
import re

import pytest
from driving import Driver

from support.workspace import PROJECT, Workspace

pytestmark = pytest.mark.slurm

PAPER = ("--configfile", "config/paper.yaml")
LAST_WORDS = f"""

sys.path.append({str(PROJECT / "tests/slurm")!r})
import sleeping
sleeping.put_to_sleep()
for file in FETCHED:
    Path(file).parent.mkdir(parents=True, exist_ok=True)
    Path(file).touch()
"""
CARDS = 6
# Seconds that the plan's work would take if no GPU were ever idle.
SCALED_TO = 150


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    """A workspace with the paper's plan, all that comes from a network in place, in which jobs sleep."""
    workspace = Workspace(tmp_path_factory.mktemp("paper"))
    planned = workspace.snakemake("--executor", "plan", *PAPER)
    assert planned.returncode == 0, planned.stdout
    (workspace.folder / "data").mkdir()
    (workspace.folder / "data/arxiv-metadata-oai-snapshot.json").touch()
    (workspace.folder / "seconds.json").write_text(json.dumps(scaled(workspace.folder / "results/plan.json")))
    with open(workspace.folder / "workflow/Snakefile", "a") as file:
        file.write(LAST_WORDS)
    return workspace


def scaled(plan):
    """Seconds by job, in proportion to what the plan predicts."""
    jobs = {name: versions[-1] for name, versions in json.loads(plan.read_text())["jobs"].items()}
    scale = SCALED_TO * CARDS / sum(job["seconds"] * job["gpus"] for job in jobs.values())
    return {name: round(job["seconds"] * scale, 2) for name, job in jobs.items()}


@pytest.fixture(scope="module")
def finished(cluster, workspace):
    """All jobs, as SLURM has seen them: (rule, wildcards, start, end), the times in seconds."""
    code, said = Driver(cluster, workspace.folder, *PAPER, limit=900).wait()
    assert code == 0, said
    return [times(job) for job in cluster.jobs() if job["WorkDir"] == str(workspace.folder)]


def times(job):
    """A job's rule, wildcards, start and end."""
    rule, wildcards = re.match(r"rule_(.+?)(?:_wildcards_(.*))?$", job["Comment"]).groups()
    start, end = (datetime.datetime.fromisoformat(job[name]).timestamp() for name in ("StartTime", "EndTime"))
    assert job["JobState"] == "COMPLETED"
    return rule, wildcards, start, end


def count(finished, rule):
    """How many jobs a rule had."""
    return sum(each[0] == rule for each in finished)


def test_every_job_of_the_plan_ran_once(finished):
    assert (count(finished, "train"), count(finished, "complete"), count(finished, "perplexity")) == (20, 62, 104)
    assert count(finished, "metric") == 124
    assert count(finished, "cpu_metric") == 186
    assert len(finished) == len({each[:2] for each in finished})


def test_completions_of_a_run_do_not_wait_for_other_trainings(finished):
    trained = {wildcards: end for rule, wildcards, _, end in finished if rule == "train"}
    completed = {wildcards: start for rule, wildcards, start, _ in finished if rule == "complete"}
    assert all(completed[f"hep-th_{run}"] >= end for run, end in trained.items())
    assert min(completed[f"hep-th_{run}"] for run in trained) < max(trained.values())


def test_the_cards_are_hardly_ever_idle(finished, workspace):
    seconds = json.loads((workspace.folder / "seconds.json").read_text())
    longest = max(seconds[name] for name in seconds if name.startswith("train/"))
    taken = max(each[3] for each in finished) - min(each[2] for each in finished)
    ideal = max(SCALED_TO, longest)
    print(f"{len(finished)} jobs in {taken:.0f} s; no order of them could take less than {ideal:.0f} s")
    assert taken < 2 * ideal
