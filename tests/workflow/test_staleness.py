"""Only what is stale runs again, by content: inputs, settings, meaning of code. No model is run."""

import os

import pytest

pytestmark = pytest.mark.workflow

ADAPTER = "results/adapters/tiny_hep-th_all/adapter_model.safetensors"
OTHER = "results/adapters/tiny_hep-th_qkv/adapter_model.safetensors"


def stages(files):
    """The second parts of paths: which kinds of result are among these files."""
    return {file.split("/")[1] for file in files}


def test_after_a_run_nothing_is_stale(workspace):
    assert workspace.stale() == []


def test_touching_every_file_changes_nothing(workspace):
    for path in workspace.folder.rglob("*"):
        if path.is_file() and ".snakemake" not in path.parts:
            os.utime(path)
    assert workspace.stale() == []


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("scripts/feyntune/evaluation/perplexity.py", '"""', '"""Indeed: '),
        ("scripts/train.py", "\n\ndef main", "\n\n# A comment.\ndef main"),
        ("scripts/feyntune/config/schema/models.py", '"""Rank of the update."""', '"""The rank."""'),
        ("workflow/rules/perplexity.smk", "# Perplexity", "# The perplexity"),
    ],
)
def test_wording_changes_nothing(workspace, file, old, new):
    workspace.edit(file, old, new)
    assert workspace.stale() == []


def test_editing_the_scoring_code_scores_again_and_does_not_retrain(workspace):
    workspace.edit(
        "scripts/feyntune/evaluation/perplexity_batches.py", "import math", "import math\n\nA_NEW_CONSTANT = 1"
    )
    stale = stages(workspace.stale())
    assert {"perplexity", "embeddings", "similarity", "tables"} <= stale
    assert not {"adapters", "completions", "semscore", "datasets", "demo", "references"} & stale


def test_one_runs_learning_rate_stales_that_run_and_what_hangs_on_it(workspace):
    overrides = (
        "grid: {models: [tiny], datasets: [hep-ph_gr-qc], layer_sets: [all, qkv]}\n"
        "runs:\n"
        "  tiny_hep-th_all:\n"
        "    {model: tiny, dataset: hep-th, layers: all, training: {optimizer: {learning_rate: 1.0e-3}}}\n"
        "  tiny_hep-th_qkv: {model: tiny, dataset: hep-th, layers: qkv}\n"
    )
    (workspace.folder / "more.yaml").write_text(overrides)
    stale = workspace.stale("--configfile", "config/config.yaml", "more.yaml")
    assert ADAPTER in stale
    assert "results/perplexity/hep-th/tiny_hep-th_all.parquet" in stale
    assert OTHER not in stale
    assert not [file for file in stale if "hep-ph_gr-qc" in file or "tiny_base" in file]


@pytest.mark.parametrize(
    "change",
    [
        "generation={temperature: 0.5}",
        "perplexity={too_long: truncate}",
        "evaluation={precision: {dtype: bfloat16}}",
        "similarity={dtype: float16}",
        "report={abstracts: 3}",
        "tracking={wandb: offline}",
        "resources={train: {runtime: 77}}",
    ],
)
def test_a_key_of_evaluation_never_retrains(workspace, change):
    assert not {"adapters", "datasets", "demo"} & stages(workspace.stale("--config", change))


def test_tracking_resources_and_planning_make_nothing_stale(workspace):
    changes = ["tracking={wandb: offline}", "resources={train: {mem_mb: 3000}, perplexity: {runtime: 9}}"]
    changes.append("planning={gpu: H100, tokens_per_word: 1.4}")
    assert workspace.stale("--config", *changes) == []


def test_a_new_run_leaves_the_others_alone(workspace):
    (workspace.folder / "more.yaml").write_text("runs: {mine: {model: tiny, dataset: gr-qc, layers: all}}\n")
    stale = workspace.stale("--configfile", "config/config.yaml", "more.yaml")
    assert "results/adapters/mine/adapter_model.safetensors" in stale
    assert not [file for file in stale if "/tiny_" in file or file.startswith("results/datasets/hep")]


def test_a_new_dataset_reads_no_snapshot_again(workspace):
    (workspace.folder / "more.yaml").write_text("datasets: {bio: {snapshot: demo, categories: [q-bio.*]}}\n")
    stale = workspace.stale(
        "--configfile", "config/config.yaml", "more.yaml", "--", "results/datasets/bio/train.parquet"
    )
    assert stages(stale) == {"datasets"}


def test_a_deleted_result_is_made_again_with_what_hangs_on_it(workspace):
    (workspace.folder / "results/perplexity/hep-th/tiny_base.parquet").unlink()
    stale = workspace.stale()
    assert "results/perplexity/hep-th/tiny_base.parquet" in stale
    assert "results/perplexity/all.parquet" in stale
    assert not {"adapters", "completions", "semscore"} & stages(stale)


def test_changed_weights_make_what_hangs_on_them_stale(workspace):
    (workspace.folder / ADAPTER).write_text("other weights")
    stale = workspace.stale()
    assert "results/completions/hep-th/tiny_hep-th_all.parquet" in stale
    assert not [file for file in stale if "tiny_base" in file or "qkv" in file]


def test_the_card_of_a_merged_model_has_results_where_there_are_tables_and_evaluates_nothing_for_them(workspace):
    card = "results/merged/tiny_hep-th_all/README.md"
    for table in (workspace.folder / "results/tables").iterdir():
        table.unlink()
    workspace.pretend_done(card)
    plan = workspace.plan(card)
    assert plan[card] == "no update" and "results/tables/summary.csv" not in plan
    for name in ("summary.csv", "summary.html"):
        (workspace.folder / "results/tables" / name).touch()
    assert card in workspace.stale(card)
