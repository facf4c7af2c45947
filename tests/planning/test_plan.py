"""A whole plan from jobs: which datasets are counted, which GPU is chosen, how measured jobs correct the table."""

import json

import pytest

from feyntune.config.load import parse_configuration
from feyntune.config.runs import resolve_runs
from feyntune.core.errors import FeynTuneError
from feyntune.planning import devices
from feyntune.planning.jobs import AGAIN, CODE, NEW, RESTORED, Job
from feyntune.planning.plan import choose_gpu, make_plan

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
    """A project with a dataset of ten training abstracts, on a machine without a GPU."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(devices, "local_gpu", lambda: None)
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
        ((CODE,), (f"{AGAIN} read_snapshot",), 10),  # the same papers
        ((NEW,), (f"{AGAIN} read_snapshot",), 73_500),  # another snapshot
        ((), ("dataset.seed: 42 -> 43",), 73_500),
    ],
)
def test_a_dataset_is_counted_if_it_matches_the_configuration(folder, why_snapshot, why_dataset, rows):
    made = plan(why_snapshot, why_dataset)
    assert made.jobs["train/llama_hep-th_qkv"].work.tokens == rows * 4 * 152
    assert any("datasets do not exist" in line for line in made.assumed) == (rows != 10)


def test_only_stale_jobs_are_planned_one_after_another(folder):
    made = plan((NEW,), (f"{AGAIN} read_snapshot",))
    assert (len(made.jobs), made.total) == (3, 3)
    assert made.wall == pytest.approx(sum(each.seconds for each in made.jobs.values()))
    assert list(plan().jobs) == ["train/llama_hep-th_qkv"]
    assert plan(why_train=()).jobs == {}


def test_an_earlier_training_on_the_same_gpu_corrects_the_table(folder):
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


def test_the_configured_gpu_comes_first_then_the_profiles_then_the_local_one(folder, monkeypatch):
    jobs = {"a": Job("train", {}, gpu_model="ampere_a100"), "b": Job("report", {})}
    configured = parse_configuration({"planning": {"gpu": "H100"}})
    assert choose_gpu(configured, jobs).name == "H100"
    default = parse_configuration({})
    assert choose_gpu(default, jobs).name == "A100"
    assert choose_gpu(default, {"b": jobs["b"]}) == devices.DEFAULT
    monkeypatch.setattr(devices, "local_gpu", lambda: "NVIDIA L4")
    assert choose_gpu(default, {"b": jobs["b"]}).name == "L4"
    assert choose_gpu(default, jobs).name == "A100"


def test_a_configured_gpu_that_is_not_in_the_table_is_refused(folder):
    with pytest.raises(FeynTuneError, match=r"planning.gpu: 'abacus' is not in the table; .* A100"):
        choose_gpu(parse_configuration({"planning": {"gpu": "abacus"}}), {})


def test_the_old_key_names_the_new_one():
    with pytest.raises(FeynTuneError, match=r"config: \$\.planning: 'card' is now called 'gpu'; rename it"):
        parse_configuration({"planning": {"card": "A100"}})


def test_a_job_may_use_the_memory_of_its_gpu(folder):
    held = plan().jobs["train/llama_hep-th_qkv"]
    assert held.memory == 40 * 2**30
    assert held.gpu_seconds == held.seconds


def check_of(folder, **rates):
    """Write what `snakemake check` has measured."""
    content = {"where": "compute", "findings": [], "rates": rates}
    (folder / "results/check").mkdir(exist_ok=True)
    (folder / "results/check/compute.json").write_text(json.dumps(content))


def test_rates_that_the_check_measured_replace_those_of_the_table(folder):
    by_table = plan().jobs["train/llama_hep-th_qkv"]
    assert any("rates are from the table of devices" in line for line in plan().assumed)
    half = devices.DEFAULT.operations * devices.PRODUCT / 2
    check_of(folder, name="NVIDIA A100-SXM4-40GB", operations=half, bandwidth=1e12, memory=39.5 * 2**30)
    made = plan()
    measured = made.jobs["train/llama_hep-th_qkv"]
    assert measured.seconds > by_table.seconds and measured.memory == 39.5 * 2**30
    assert made.device.rate("training") == pytest.approx(devices.DEFAULT.rate("training") / 2)
    assert any("A100, 40 GB" in line and "measured by `snakemake check`" in line for line in made.assumed)


def test_rates_of_another_device_are_not_used(folder):
    by_table = plan().jobs["train/llama_hep-th_qkv"].seconds
    check_of(folder, name="NVIDIA H100 80GB HBM3", operations=7e14, bandwidth=3e12, memory=79 * 2**30)
    assert plan(gpu_model="a100").jobs["train/llama_hep-th_qkv"].seconds == by_table
    assert plan().device.name == "H100", "nothing names a GPU, so it is the one that was checked"
    check_of(folder, name="x86_64 CPU, 2 threads", operations=5e10, bandwidth=1e10, memory=None)
    assert plan().device == devices.DEFAULT


def test_a_gpu_that_is_not_in_the_table_is_planned_with_by_its_measured_rates(folder):
    check_of(folder, name="AMD Instinct MI300X", operations=6e14, bandwidth=4e12, memory=192 * 2**30)
    made = plan()
    assert made.device.name == "AMD Instinct MI300X" and made.jobs["train/llama_hep-th_qkv"].seconds > 0


def test_a_restored_training_costs_no_gpu_time(folder, monkeypatch):
    monkeypatch.setattr("feyntune.planning.plan.restored_jobs", lambda _: {"train/llama_hep-th_qkv"})
    made = plan(runtime=60)
    (each,) = made.jobs.values()
    assert (each.gpu_seconds, each.asked_gpu_seconds, each.memory) == (0, 0, None) and each.seconds < 10
    assert each.job.why == [RESTORED, NEW]
    assert "restored from results/kept without GPU time: 1 train" in made.assumed
