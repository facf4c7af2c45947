"""Plans of runs that train all weights, without any model."""

import pytest

from support.workspace import Workspace

pytestmark = pytest.mark.workflow

RUN = "runs={tiny_hep-th_full: {model: tiny, dataset: hep-th, training: {method: full}, quantization: {method: none}}}"
NAME = "tiny_hep-th_full"


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """A workspace with a full run in which everything is done."""
    workspace = Workspace(tmp_path_factory.mktemp("full"))
    workspace.pretend_done("--config", RUN)
    return workspace


def test_it_is_planned_through_all_stages_beside_adapters(done):
    plan = done.plan("--config", RUN)
    for file in ("model.safetensors", "config.json", "run.json", "history.parquet"):
        assert f"results/full/{NAME}/{file}" in plan
    assert f"results/adapters/{NAME}/run.json" not in plan and "results/adapters/tiny_hep-th_all/run.json" in plan
    for kind in ("completions", "perplexity", "similarity", "semscore", "rouge"):
        assert any(file.startswith(f"results/{kind}/hep-th/{NAME}.") for file in plan), kind
    assert done.stale("--config", RUN) == []


def test_its_settings_make_its_own_results_stale_and_no_others(done):
    other = RUN.replace("method: full", "method: full, max_steps: 7")
    stale = [file for file in done.stale("--config", other) if "/tiny_" in file]
    assert f"results/full/{NAME}/model.safetensors" in stale
    assert f"results/completions/hep-th/{NAME}.parquet" in stale and f"results/embeddings/hep-th/{NAME}.pt" in stale
    assert all(NAME in file for file in stale)


def test_its_evaluation_depends_on_the_weights(done, tmp_path):
    workspace = Workspace(tmp_path / "copy", original=done)
    (workspace.folder / f"results/full/{NAME}/model.safetensors").write_text("other weights")
    stale = workspace.stale("--config", RUN)
    assert f"results/perplexity/hep-th/{NAME}.parquet" in stale
    assert "results/perplexity/hep-th/tiny_base.parquet" not in stale


@pytest.mark.parametrize("target", ["merged", f"results/merged/{NAME}/config.json"])
def test_merging_it_is_refused_in_one_line(done, target):
    grid = "grid={models: [tiny], datasets: [], layer_sets: []}"
    planned = done.snakemake("--dry-run", "--config", RUN, grid, "--", target)
    assert planned.returncode != 0 and "Traceback" not in planned.stdout
    line = f"config: {NAME} has no adapter to merge; take its whole model, results/full/{NAME}"
    assert line in planned.stdout.splitlines()


def test_a_plan_counts_the_states_of_all_weights(done):
    planned = done.snakemake("--executor", "plan", "--config", RUN, "--forcerun", "train_full")
    assert planned.returncode == 0, planned.stdout
    assert any(line.startswith("train_full ") for line in planned.stdout.splitlines())


def test_a_push_sends_its_model_folder(done):
    planned = done.plan("--config", RUN, "hub={organisation: me, push_merged: true}", "--", "push")
    assert f"results/hub/{NAME}.json" in planned and f"results/hub/cards/{NAME}/README.md" in planned
    assert f"results/hub/cards/{NAME}/adapter_config.json" not in planned
    assert f"results/hub/merged/{NAME}.json" not in planned and "results/hub/merged/tiny_hep-th_all.json" in planned
