"""What is declared for adapters at evaluation steps, and only where the configuration asks for it. No model is run."""

import pytest

from support.workspace import Workspace

pytestmark = pytest.mark.workflow
ASKED = ("--config", "evaluation={checkpoints: true}")
RUNS = ("tiny_hep-ph_gr-qc_all", "tiny_hep-ph_gr-qc_qkv", "tiny_hep-th_all", "tiny_hep-th_qkv")
ARCHIVES = [f"results/adapters/{run}/checkpoints.zip" for run in RUNS]


@pytest.fixture(scope="module")
def evaluated(finished, tmp_path_factory):
    """A workspace in which everything is done, the adapters at evaluation steps included."""
    workspace = Workspace(tmp_path_factory.mktemp("evaluated") / "workspace", original=finished)
    workspace.pretend_done(*ASKED)
    return workspace


def test_archives_are_made_where_they_are_asked_for(workspace):
    assert not any("checkpoints" in file for file in workspace.plan())
    assert [file for file in workspace.stale(*ASKED) if file.endswith(".zip")] == ARCHIVES


def test_nothing_trains_again_without_them(evaluated):
    assert evaluated.stale(*ASKED) == []
    assert not [file for file in evaluated.stale() if file.startswith("results/adapters")]


def test_keeping_the_best_adapter_trains_this_run_again_with_its_validation_split(workspace):
    named = "tiny_hep-th_all: {model: tiny, dataset: hep-th, layers: all, training: {keep: best}}"
    grid = "grid: {datasets: [hep-ph_gr-qc]}\n"
    (workspace.folder / "best.yaml").write_text(f"{grid}runs:\n  {named}\n")
    files = ("--configfile", "config/config.yaml", "best.yaml")
    stale = [file for file in workspace.stale(*files) if file.startswith("results/adapters")]
    assert {file.split("/")[2] for file in stale} == {"tiny_hep-th_all"}
    done = workspace.snakemake("--executor", "plan", *files)
    assert 'training.keep: none -> "best"' in done.stdout
    asked = ("--dry-run", "--quiet", "host", "--printshellcmds", *files, "--")
    shown = workspace.snakemake(*asked, "results/adapters/tiny_hep-th_all/run.json").stdout
    assert "--validation results/datasets/hep-th/validation.parquet" in shown


def test_learning_curves_are_planned_and_evaluated_where_they_are_asked_for(workspace):
    stale = workspace.stale(*ASKED)
    assert [file for file in stale if file.startswith("results/checkpoints/")] == [
        f"results/checkpoints/{run}.parquet" for run in RUNS
    ]
    assert {"results/tables/checkpoints.csv", "results/figures/checkpoints.svg", "results/report.html"} <= set(stale)
    shown = workspace.snakemake("--executor", "plan", *ASKED).stdout
    (line,) = [line for line in shown.splitlines() if line.startswith("checkpoints")]
    assert line.split()[1] == "4"


def test_a_larger_sample_evaluates_again_and_trains_nothing(evaluated):
    more = ("--config", "evaluation={checkpoints: true, checkpoint_abstracts: 30}")
    stale = {file.split("/")[1] for file in evaluated.stale(*more)}
    assert "checkpoints" in stale
    assert not {"adapters", "completions", "perplexity"} & stale
