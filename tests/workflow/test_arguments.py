"""A target that Snakemake would take for a configuration is explained in one line."""

import subprocess
import sys

import pytest

from snakemake_executor_plugin_plan.arguments import (
    explain_targets_among_configurations,
    targets_among_configurations,
)
from support.workspace import ENVIRONMENT, PROJECT

TARGET = "results/semscore/all.parquet"


@pytest.mark.parametrize(
    ("arguments", "targets"),
    [
        (["--configfile", "a.yaml", TARGET], [TARGET]),
        (["--configfiles", "a.yaml", "b.yml", "fetch", "push"], ["fetch", "push"]),
        (["--configfile", "a.yaml", "results/hub/run.json"], ["results/hub/run.json"]),
        (["--configfile", "a.yaml", "missing.yaml"], []),
        (["--configfile=a.yaml", TARGET], []),
        (["--configfile", "a.yaml", "--", TARGET], []),
        (["--configfile", "a.yaml", "--config", "seed=3", TARGET], []),
        ([TARGET, "--configfile", "a.yaml", "-n"], []),
        (["--configfile", "other.json", "more.json"], []),
    ],
)
def test_targets_are_known_among_configurations(tmp_path, monkeypatch, arguments, targets):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "more.json").write_text("{}")
    (tmp_path / "results/hub").mkdir(parents=True)
    (tmp_path / "results/hub/run.json").write_text("{}")
    assert list(targets_among_configurations(["snakemake", *arguments])) == targets


def test_other_programs_may_have_options_of_the_same_name():
    explain_targets_among_configurations(["scripts/show.py", "--configfile", "a.yaml", "tiny_base"])
    explain_targets_among_configurations([])


def test_snakemake_prints_one_line():
    command = [sys.executable, "-m", "snakemake", "-n", "--configfile", "config/paper.yaml", TARGET]
    done = subprocess.run(command, cwd=PROJECT, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"--configfile takes all values that follow it, so {TARGET!r}") and len(line) <= 200
