"""The demo's completions by vLLM, through the workflow, against those of the built-in engine that `make demo` left."""

import shutil

import pyarrow.parquet
import pytest

from feyntune.core.files import table_provenance
from support.workspace import PROJECT, Workspace

pytestmark = pytest.mark.vllm

COMPLETIONS = "results/completions/all.parquet"


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """A copy of the project with the demo's results, in which vLLM has completed the evaluation set for every run."""
    workspace = Workspace(tmp_path_factory.mktemp("demo"))
    for folder in ("results", ".snakemake"):
        shutil.copytree(PROJECT / folder, workspace.folder / folder, symlinks=True, dirs_exist_ok=True)
    (workspace.folder / ".venv-vllm").symlink_to(PROJECT / ".venv-vllm")
    done = workspace.snakemake(COMPLETIONS, "--config", "generation={engine: vllm, max_new_tokens: 160}")
    assert done.returncode == 0, done.stdout
    return workspace


def test_only_the_engine_changes_the_texts_by_rounding(demo):
    """The built-in engine multiplies quantised weights, vLLM the dequantised ones, with adapters beside them."""
    ours = pyarrow.parquet.read_table(PROJECT / COMPLETIONS).to_pylist()
    theirs = pyarrow.parquet.read_table(demo.folder / COMPLETIONS).to_pylist()
    assert len({row["run"] for row in theirs}) == 5
    assert [(row["run"], row["id"], row["prompt_tokens"]) for row in theirs] == [
        (row["run"], row["id"], row["prompt_tokens"]) for row in ours
    ]
    same = sum(one["prediction"] == other["prediction"] for one, other in zip(ours, theirs, strict=True))
    assert same >= 0.95 * len(ours)


def test_results_name_the_engine_and_the_weights(demo):
    for path in sorted((demo.folder / "results/completions/hep-th").glob("*.parquet")):
        record = table_provenance(path)
        assert record["engine"] == "vllm"
        assert record["settings"]["weights"] == "dequantised"


def test_another_engine_makes_completions_stale(demo):
    stale = demo.stale(COMPLETIONS)
    assert "results/completions/hep-th/tiny_base.parquet" in stale
    assert not [file for file in stale if file.startswith(("results/adapters", "results/perplexity"))]
