"""Which datasets are stale after which change; no program is run."""

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
