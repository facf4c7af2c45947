"""No path of the configuration is read by the shell: every command passes it on as it is written."""

import re
import subprocess

import pytest
import yaml

from support.workspace import Workspace, run_snakemake

HOSTILE = "a $(touch pwned) `touch pwned` ; touch pwned & 'b' \"c\" # * ? ~ \\ ü !x {run} {x,y} {} <results> < > {{a}}"
FILES = {
    "snapshot.jsonl": "snapshot",
    "model/config.json": "model",
    "model/model.safetensors": "model",
    "metric/config.json": "metric",
    "metric/model.safetensors": "metric",
    "adapter/adapter_config.json": "adapter",
    "adapter/adapter_model.safetensors": "adapter",
    "texts.txt": "texts",
    "completions.csv": "completions",
    "train.jsonl": "files",
    "test.jsonl": "files",
    "validation.jsonl": "files",
}
CONFIGURATION = {
    "snapshots": {"s": f"{HOSTILE}/snapshot.jsonl"},
    "datasets": {
        "d": {"snapshot": "s", "categories": ["hep-th"]},
        "f": {"files": {split: f"{HOSTILE}/{split}.jsonl" for split in ("train", "test", "validation")}},
    },
    "models": {"m": {"path": f"{HOSTILE}/model"}},
    "layer_sets": {"all": ["q_proj"]},
    "grid": {"models": ["m"], "datasets": ["d", "f"], "layer_sets": ["all"]},
    "evaluation_sets": {"e": {"dataset": "d"}, "t": {"text": f"{HOSTILE}/texts.txt"}},
    "metrics": {"semscore": {"path": f"{HOSTILE}/metric", "title": f"SemScore {HOSTILE}"}, "rouge": {}},
    "runs": {
        "published": {"model": "m", "adapter": {"path": f"{HOSTILE}/adapter"}},
        "imported": {"completions": {"path": f"{HOSTILE}/completions.csv"}},
    },
}
COMMAND = re.compile(r"^ *Shell command: (.*(?:FEYNTUNE_SCRIPTS).*)$", re.MULTILINE)


@pytest.fixture(scope="module")
def commands(tmp_path_factory):
    workspace = Workspace(tmp_path_factory.mktemp("workspace"))
    for file in FILES:
        path = workspace.folder / HOSTILE / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}")
    (workspace.folder / "mine.yaml").write_text(yaml.safe_dump(CONFIGURATION))
    options = ["--dry-run", "--printshellcmds", "all", "merged", "--configfile", "mine.yaml"]
    done = run_snakemake(options, workspace.folder, workspace.environment)
    assert done.returncode == 0, done.stdout
    return COMMAND.findall(done.stdout)


def arguments(command, folder):
    """What a program gets from the shell."""
    script = f"python() {{ printf '%s\\0' \"$@\"; }}\nexport FEYNTUNE_SCRIPTS=scripts\n{command}"
    done = subprocess.run(["bash", "-euo", "pipefail", "-c", script], cwd=folder, capture_output=True, check=True)
    assert not done.stderr
    return done.stdout.decode().split("\0")


def test_paths_reach_the_programs_as_they_are_written(commands, tmp_path):
    given = [each for command in commands for each in arguments(command, tmp_path)]
    assert list(tmp_path.iterdir()) == [], "the shell has run a part of a path"
    hostile = {each.partition("=")[2] if each.startswith("semscore=") else each for each in given if "pwned" in each}
    paths = {each for each in hostile if not each.startswith(("{", "["))}  # others are JSON
    assert all(each.startswith(HOSTILE) for each in paths)
    found = {each.removeprefix(f"{HOSTILE}/").split("/")[0] for each in paths}
    assert found >= {"snapshot.jsonl", "model", "metric", "adapter", "texts.txt", "completions.csv", "train.jsonl"}
