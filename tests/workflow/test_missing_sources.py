"""Folders and files that the configuration names and that are missing: one line, no traceback of an input function."""

import os
import time

import pytest
import yaml

from support.workspace import Workspace

CONFIGURATION = {
    "snapshots": {"s": "snapshot.jsonl"},
    "datasets": {"d": {"snapshot": "s", "categories": ["hep-th"]}},
    "models": {"m": {"path": "model"}},
    "layer_sets": {"all": ["q_proj"]},
    "grid": {"models": ["m"], "datasets": ["d"], "layer_sets": ["all"]},
    "evaluation_sets": {"e": {"dataset": "d"}},
    "metrics": {"semscore": {"path": "metric"}},
    "runs": {
        "published": {"model": "m", "adapter": {"path": "adapter"}},
        "imported": {"completions": {"path": "completions.csv"}},
    },
}
MISSING = {
    "model": "config: $.models.m.path: no model files in 'model'; name a folder with config.json and weights",
    "adapter": "config: $.runs.published.adapter.path: no such file: 'adapter/adapter_model.safetensors';"
    " name the folder of a PEFT adapter",
    "completions.csv": "config: $.runs.imported.completions: no such file: 'completions.csv';"
    " put it there, or correct the path",
}


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    workspace = Workspace(tmp_path_factory.mktemp("workspace"))
    for file in ("model/config.json", "metric/config.json", "adapter/adapter_config.json", "snapshot.jsonl"):
        (workspace.folder / file).parent.mkdir(exist_ok=True)
        (workspace.folder / file).write_text("{}")
    for file in ("adapter/adapter_model.safetensors", "completions.csv"):
        (workspace.folder / file).touch()
    (workspace.folder / "mine.yaml").write_text(yaml.safe_dump(CONFIGURATION))
    return workspace


@pytest.mark.parametrize(
    ("file", "place"),
    [
        ("model/config.json", "$.models.m.path"),
        ("metric/config.json", "$.metrics.semscore.path"),
        ("adapter/adapter_model.safetensors", "$.runs.published.adapter.path"),
        ("completions.csv", "$.runs.imported.completions"),
        ("snapshot.jsonl", "$.snapshots.s"),
    ],
)
def test_a_file_that_is_dated_in_the_future_is_one_line(workspace, file, place):
    os.utime(workspace.folder / file, (time.time() + 7200,) * 2)
    done = workspace.snakemake("-n", "--quiet", "--configfile", "mine.yaml")
    os.utime(workspace.folder / file)
    assert done.returncode == 1 and "Traceback" not in done.stdout
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("config:")]
    assert line.startswith(f"config: {place}: {file} is dated 2.0 hours in the future")


@pytest.mark.parametrize("name", MISSING)
def test_what_is_missing_is_one_line(workspace, name):
    path = workspace.folder / name
    path.rename(path.with_name("aside"))
    done = workspace.snakemake("-n", "--quiet", "--configfile", "mine.yaml")
    path.with_name("aside").rename(path)
    assert done.returncode == 1 and "Traceback" not in done.stdout
    assert [line for line in done.stdout.splitlines() if line.startswith("config:")] == [MISSING[name]]
