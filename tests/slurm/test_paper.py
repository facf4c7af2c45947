"""The paper's whole plan on two nodes of three cards, its programs replaced by sleeps: what the queue makes of it."""

import datetime
import json
import re

import pytest
from driving import Driver
from house import PROJECT, House

pytestmark = pytest.mark.slurm

# Hours that a job takes, by order of magnitude, for Llama 3.1 8B and a hundred thousand abstracts on an A100.
HOURS = {"train": 20, "complete": 6, "score": 1, "embed_truth": 0.5, "semscore": 0.5, "similarity": 0.1}
SECONDS_PER_HOUR = 1.5
CARDS = 6
ON_CARDS = ("train", "complete", "score", "embed_truth", "semscore")


@pytest.fixture(scope="module")
def finished(cluster, tmp_path_factory):
    """All jobs, as SLURM has seen them: (rule, wildcards, start, end), the times in seconds."""
    house = House(tmp_path_factory.mktemp("paper"))
    prepare(house.folder)
    code, said = Driver(cluster, house.folder, "--configfile", "config/paper.yaml", limit=900).wait()
    assert code == 0, said
    return [times(job) for job in cluster.jobs() if job["WorkDir"] == str(house.folder)]


def prepare(folder):
    """Let jobs sleep, and pretend that all is fetched which is fetched from a network."""
    with open(folder / "workflow/Snakefile", "a") as file:
        file.write(f"\n\nsys.path.append({str(PROJECT / 'tests/slurm')!r})\nimport sleeping\nsleeping.put_to_sleep()\n")
        file.write(
            "\nfor file in FETCHED:\n    Path(file).parent.mkdir(parents=True, exist_ok=True)\n    Path(file).touch()\n"
        )
    (folder / "data").mkdir()
    (folder / "data/arxiv-metadata-oai-snapshot.json").touch()
    rules = re.findall(
        r"^rule (\w+):", "".join(path.read_text() for path in (folder / "workflow/rules").iterdir()), re.M
    )
    (folder / "seconds.json").write_text(json.dumps({rule: seconds(rule) for rule in rules}))


def seconds(rule):
    """How long a job of a rule sleeps."""
    return HOURS.get(rule, 0.1) * SECONDS_PER_HOUR


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
    assert (count(finished, "train"), count(finished, "complete"), count(finished, "score")) == (20, 41, 41)
    assert count(finished, "semscore") == 82
    assert len(finished) == len({each[:2] for each in finished})


def test_completions_of_a_run_do_not_wait_for_other_trainings(finished):
    trained = {wildcards: end for rule, wildcards, _, end in finished if rule == "train"}
    completed = {wildcards: start for rule, wildcards, start, _ in finished if rule == "complete"}
    assert all(completed[f"hep-th_{run}"] >= end for run, end in trained.items())
    assert min(completed[f"hep-th_{run}"] for run in trained) < max(trained.values())


def test_the_cards_are_in_use_from_the_first_training_to_the_last_completion(finished, record_property):
    on_cards = [each for each in finished if each[0] in ON_CARDS]
    work = sum(seconds(rule) for rule, *_ in on_cards)
    began, ended = min(each[2] for each in finished), max(each[3] for each in finished)
    ideal = max(work / CARDS, seconds("train") + seconds("complete"))
    record_property("makespan", ended - began)
    print(f"{len(finished)} jobs in {ended - began:.0f} s; no plan could take less than {ideal:.0f} s")
    assert ended - began < 2 * ideal + 60
