"""Real abstracts and a really pretrained Llama, by configuration alone."""

import os
from pathlib import Path

import pyarrow.parquet
import pytest

from support.workspace import PROJECT, Workspace

DATA = os.environ.get("FEYNTUNE_REAL_DATA")
pytestmark = [
    pytest.mark.end_to_end,
    pytest.mark.real_data,
    pytest.mark.skipif(not DATA, reason="FEYNTUNE_REAL_DATA names no folder"),
]


def test_the_whole_job_runs_on_real_abstracts_and_a_real_model(tmp_path):
    workspace = Workspace(tmp_path / "workspace")
    (workspace.folder / "data").symlink_to(Path(DATA).resolve())
    (workspace.folder / "tests").symlink_to(PROJECT / "tests")
    finished = workspace.snakemake("--configfile", "tests/end_to_end/real.yaml")
    assert finished.returncode == 0, finished.stdout
    perplexity = pyarrow.parquet.read_table(workspace.folder / "results/perplexity/all.parquet").to_pandas()
    assert set(perplexity["run"]) == {"stories_base", "stories_hep-th_gr-qc_qkv"}
    assert perplexity["perplexity"].between(2, 5000).all()
    for said in ("abstracts over 512 tokens: dropped", "abstracts exceed 512 tokens: truncated"):
        assert said in finished.stdout
