"""A whole plan from jobs: which datasets count as they are, which card is meant, what earlier jobs teach."""

import json

import pytest

from feyntune.config.load import parse_configuration
from feyntune.config.runs import resolve_runs
from feyntune.core.errors import FeynTuneError
from feyntune.planning import devices
from feyntune.planning.jobs import AGAIN, CODE, NEW, Job
from feyntune.planning.plan import choose_card, make_plan

BASE = {
    "snapshots": {"arxiv": "nowhere.json"},
    "datasets": {"hep-th": {"snapshot": "arxiv", "categories": ["hep-th"]}},
    "models": {"llama": {"hub": "meta-llama/Llama-3.1-8B", "revision": "main"}},
    "layer_sets": {"qkv": ["q_proj"]},
    "grid": {"models": ["llama"], "datasets": ["hep-th"], "layer_sets": ["qkv"]},
    "evaluation_sets": {"hep-th": {"dataset": "hep-th"}},
}
OFFERED = {"jobs": 2, "cores": None, "gpu": None}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A project whose dataset of ten training abstracts is there, on a machine without a card."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(devices, "card_here", lambda: None)
    summary = {"rows": {"train": 10, "test": 2, "validation": 2}, "words": {"mean": 100}}
    (tmp_path / "results/datasets/hep-th").mkdir(parents=True)
    (tmp_path / "results/datasets/hep-th/summary.json").write_text(json.dumps(summary))
    return tmp_path


def plan(why_snapshot=(), why_dataset=(), why_train=(NEW,), **train):
    configuration = parse_configuration(BASE)
    made = [
        Job("read_snapshot", {"snapshot": "arxiv"}, list(why_snapshot)),
        Job("build_dataset", {"dataset": "hep-th"}, list(why_dataset), needs=["read_snapshot/arxiv"]),
        Job("train", {"run": "llama_hep-th_qkv"}, list(why_train), needs=["build_dataset/hep-th"], gpu=1, **train),
    ]
    return make_plan({job.key: job for job in made}, configuration, resolve_runs(configuration), OFFERED)


@pytest.mark.parametrize(
    ("why_snapshot", "why_dataset", "rows"),
    [
        ((), (), 10),
        ((CODE,), (f"{AGAIN} read_snapshot",), 10),  # the same papers, made again
        ((NEW,), (f"{AGAIN} read_snapshot",), 73_500),  # of another snapshot
        ((), ("dataset.seed: 42 -> 43",), 73_500),
    ],
)
def test_a_dataset_counts_if_it_holds_what_the_configuration_says(folder, why_snapshot, why_dataset, rows):
    made = plan(why_snapshot, why_dataset)
    assert made.jobs["train/llama_hep-th_qkv"].work.tokens == rows * 4 * 152
    assert any("datasets are not there" in line for line in made.assumed) == (rows != 10)


def test_only_stale_jobs_are_planned_one_after_another(folder):
    made = plan((NEW,), (f"{AGAIN} read_snapshot",))
    assert (len(made.jobs), made.total) == (3, 3)
    assert made.wall == pytest.approx(sum(each.seconds for each in made.jobs.values()))
    assert list(plan().jobs) == ["train/llama_hep-th_qkv"]
    assert plan(why_train=()).jobs == {}


def test_an_earlier_training_on_the_same_card_corrects_the_table(folder):
    benchmark, record = folder / "costs.tsv", folder / "run.json"
    by_table = plan().jobs["train/llama_hep-th_qkv"].seconds
    benchmark.write_text("s\tmax_rss\n1.0\t100\n")
    measured = {"benchmark": str(benchmark), "outputs": [str(record)]}
    record.write_text(json.dumps({"device": "NVIDIA A100-SXM4-40GB", "measured": {"seconds": 2 * by_table}}))
    corrected = plan(**measured).jobs["train/llama_hep-th_qkv"]
    assert corrected.measured and corrected.seconds == pytest.approx(2 * by_table)
    record.write_text(json.dumps({"device": "NVIDIA H100 80GB HBM3", "measured": {"seconds": 2 * by_table}}))
    other = plan(**measured).jobs["train/llama_hep-th_qkv"]
    assert not other.measured and other.seconds == by_table


def test_the_configured_card_wins_then_the_profiles_then_the_one_here(folder, monkeypatch):
    jobs = {"a": Job("train", {}, card="ampere_a100"), "b": Job("report", {})}
    told = parse_configuration({"planning": {"card": "H100"}})
    assert choose_card(told, jobs).name == "H100"
    silent = parse_configuration({})
    assert choose_card(silent, jobs).name == "A100"
    assert choose_card(silent, {"b": jobs["b"]}).name == devices.DEFAULT
    monkeypatch.setattr(devices, "card_here", lambda: "NVIDIA L4")
    assert choose_card(silent, {"b": jobs["b"]}).name == "L4"
    assert choose_card(silent, jobs).name == "A100"


def test_a_configured_card_that_nobody_knows_is_refused(folder):
    with pytest.raises(FeynTuneError, match=r"planning.card: 'abacus' is not in the table; .* A100"):
        choose_card(parse_configuration({"planning": {"card": "abacus"}}), {})


def test_the_card_is_as_large_as_it_is(folder):
    held = plan().jobs["train/llama_hep-th_qkv"]
    assert held.memory == 40 * 2**30
    assert held.gpu_seconds == held.seconds
