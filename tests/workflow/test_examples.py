"""The examples in config/examples/ plan in a fresh checkout that has nothing but the files of its user."""

import pytest

from support.workspace import PROJECT, Workspace

EXAMPLES = sorted(path.name for path in (PROJECT / "config/examples").glob("*.yaml"))


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A fresh checkout with a snapshot, and completions made elsewhere."""
    workspace = Workspace(tmp_path_factory.mktemp("examples"))
    (workspace.folder / "data").mkdir()
    for name in ("arxiv-metadata-oai-snapshot.json", "chat.csv", "encyclopedia.jsonl"):
        (workspace.folder / "data" / name).touch()
    return workspace


def test_the_examples_are_these():
    assert EXAMPLES == [
        "forgetting.yaml",
        "full.yaml",
        "imported_completions.yaml",
        "mixture.yaml",
        "one_run.yaml",
        "sweep.yaml",
    ]


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_plans(checkout, name):
    done = checkout.snakemake("--executor", "plan", "--configfile", f"config/examples/{name}")
    assert done.returncode == 0, done.stdout
    assert "train" in done.stdout and "GPU-hours" in done.stdout
