"""Which datasets are stale after which change; no program is run."""

import os
import time

import pytest

from support.workspace import Workspace

pytestmark = pytest.mark.workflow

DATASETS = """
snapshots: {arxiv: own.jsonl}
datasets:
  a: {snapshot: arxiv, categories: [hep-th]}
  b: {snapshot: arxiv, categories: [gr-qc]}
  c: {snapshot: arxiv, categories: [hep-ph]}
  ab: {mix: [a, {dataset: b, fraction: 0.5, of: a}]}
  abc: {mix: [ab, c]}
  ac: {mix: [a, c]}
models: {tiny: {path: results/demo/model}}
grid: {models: [tiny]}
evaluation_sets:
  a: {dataset: a, limit: 10}
"""
TARGETS = [f"results/datasets/{name}/train.parquet" for name in ("a", "b", "c", "ab", "abc", "ac")]
OPTIONS = ["--configfile", "own.yaml", "--", *TARGETS]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A workspace whose datasets are all made."""
    workspace = Workspace(tmp_path_factory.mktemp("finished"))
    (workspace.folder / "own.yaml").write_text(DATASETS)
    (workspace.folder / "own.jsonl").write_text("{}")
    workspace.pretend_done(*OPTIONS)
    return workspace


@pytest.mark.parametrize(
    ("old", "new", "stale"),
    [
        ("of: a}]", "of: [a, c]}]", {"ab", "abc"}),
        ("categories: [gr-qc]", "categories: [gr-qc], sample: 9", {"b", "ab", "abc"}),
        ("limit: 10", "limit: 20", set()),
        ("{dataset: a, limit: 10}", "{dataset: abc, split: train}", set()),
        ("{dataset: a, limit: 10}", "{dataset: b}", {"ac"}),
        ("snapshots:", "leaks: {threshold: 0.7}\nsnapshots:", {"a", "b", "c", "ab", "abc", "ac"}),
        ("snapshots:", "seed: 7\nsnapshots:", set()),
        ("snapshots:", 'control_papers: ["0704.0001"]\nsnapshots:', {"a", "b", "c", "ab", "abc", "ac"}),
    ],
)
def test_a_change_makes_stale_what_hangs_on_it(finished, tmp_path, old, new, stale):
    workspace = Workspace(tmp_path / "workspace", original=finished)
    workspace.edit("own.yaml", old, new)
    files = workspace.stale(*OPTIONS)
    assert {file.split("/")[2] for file in files if file.startswith("results/datasets/")} == stale
    assert "results/snapshots/arxiv.parquet" not in files


EVALUATED = """
snapshots: {arxiv: own.jsonl}
datasets:
  th: {snapshot: arxiv, categories: [hep-th]}
  gr: {snapshot: arxiv, categories: [gr-qc]}
  both: {mix: [th, gr]}
  recent: {snapshot: arxiv, categories: [hep-th], since: 2026-01-01}
models: {tiny: {path: results/demo/model}}
layer_sets: {all: [q_proj], few: [v_proj]}
grid: {models: [tiny], datasets: [th], layer_sets: [all]}
evaluation_sets:
  recent: {dataset: recent, limit: 10}
metrics: {semscore: {path: results/demo/metrics/semscore}}
"""
OWN = ["--configfile", "own.yaml"]


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory):
    """A workspace in which a run and its base model are evaluated on another dataset than that of the run."""
    workspace = Workspace(tmp_path_factory.mktemp("evaluated"))
    (workspace.folder / "own.yaml").write_text(EVALUATED)
    (workspace.folder / "own.jsonl").write_text("{}")
    workspace.pretend_done(*OWN)
    return workspace


SET, BASE, RUN = "results/evaluation_sets/recent.parquet", "tiny_base", "tiny_th_all"


@pytest.mark.parametrize(
    ("old", "new", "filtered", "trained"),
    [
        ("layer_sets: [all]", "layer_sets: [all, few]", False, False),
        ("datasets: [th]", "datasets: [th, both]", False, False),
        ("datasets: [th]", "datasets: [th, gr]", True, False),
        ("metrics:", "leaks: {policy: refuse}\nmetrics:", True, False),
        ("metrics:", "leaks: {policy: hold_out}\nmetrics:", True, True),
    ],
)
def test_only_another_training_dataset_or_policy_filters_an_evaluation_set_again(
    evaluated, tmp_path, old, new, filtered, trained
):
    workspace = Workspace(tmp_path / "workspace", original=evaluated)
    workspace.edit("own.yaml", old, new)
    stale = workspace.stale(*OWN)
    assert (SET in stale) == filtered
    assert (f"results/adapters/{RUN}/adapter_model.safetensors" in stale) == trained
    assert (f"results/completions/recent/{RUN}.parquet" in stale) == trained
    assert not [file for file in stale if f"/{BASE}." in file or file.startswith("results/datasets/th")]


def test_another_limit_evaluates_again_and_trains_nothing(evaluated, tmp_path):
    workspace = Workspace(tmp_path / "workspace", original=evaluated)
    workspace.edit("own.yaml", "limit: 10", "limit: 20")
    stale = workspace.stale(*OWN)
    assert {SET, f"results/completions/recent/{BASE}.parquet"} <= set(stale)
    assert not [file for file in stale if "adapters" in file or file.startswith("results/datasets/")]


def test_all_splits_of_an_untrained_dataset_are_joined(evaluated, tmp_path):
    workspace = Workspace(tmp_path / "workspace", original=evaluated)
    workspace.edit("own.yaml", "{dataset: recent, limit: 10}", "{dataset: recent, split: all}")
    stale = workspace.stale(*OWN)
    assert {SET, "results/datasets/recent/all.parquet", f"results/completions/recent/{BASE}.parquet"} <= set(stale)
    assert not [file for file in stale if "adapters" in file]


WITHOUT_SOURCE = """
snapshots: {arxiv: own.jsonl}
datasets:
  a: {snapshot: arxiv, categories: [hep-th]}
  f: {files: {train: f.jsonl, test: f.jsonl, validation: f.jsonl}}
  af: {mix: [a, f]}
models: {tiny: {path: results/demo/model}}
grid: {models: [tiny]}
evaluation_sets: {a: {dataset: a}}
"""
MIXED = ["--configfile", "own.yaml", "--", "results/datasets/af/train.parquet"]


def test_results_whose_source_is_gone_stay_unless_they_were_made_from_another(tmp_path):
    workspace = Workspace(tmp_path)
    (tmp_path / "own.yaml").write_text(WITHOUT_SOURCE)
    for name in ("own.jsonl", "f.jsonl"):
        (tmp_path / name).write_text("{}")
    workspace.pretend_done(*MIXED)
    made = workspace.plan(*MIXED)
    record = tmp_path / "results/sources/snapshots/arxiv.json"
    record.parent.mkdir(parents=True)
    record.write_text('{"files": ["own.jsonl"], "settings": null}')
    (tmp_path / "own.jsonl").unlink()
    (tmp_path / "f.jsonl").unlink()

    finished = workspace.snakemake(*MIXED)
    assert finished.returncode == 0 and "Nothing to be done" in finished.stdout, finished.stdout
    assert "$.snapshots.arxiv: no file 'own.jsonl'; results/snapshots/arxiv.parquet was made from it" in finished.stdout
    assert "$.datasets.f.files: no file 'f.jsonl'" in finished.stdout

    workspace.edit("own.yaml", "own.jsonl", "typo.jsonl")
    refused = workspace.snakemake(*MIXED)
    assert refused.returncode != 0
    assert "no file 'typo.jsonl', and results/snapshots/arxiv.parquet was made from other files" in refused.stdout
    assert all((tmp_path / file).exists() for file in made)


def test_a_source_of_the_future_is_refused_before_anything_is_deleted(finished, tmp_path):
    workspace = Workspace(tmp_path / "workspace", original=finished)
    os.utime(workspace.folder / "own.jsonl", (1, time.time() + 7200))
    refused = workspace.snakemake("--forceall", *OPTIONS)
    assert refused.returncode != 0
    assert "$.snapshots.arxiv: own.jsonl is dated 2.0 hours in the future" in refused.stdout
    assert (workspace.folder / "results/snapshots/arxiv.parquet").exists()
