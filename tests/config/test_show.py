"""show.py takes RUN first or last, and the options of Snakemake, as its help and config/README.md say."""

import subprocess
import sys

import pytest
import yaml

from support.workspace import PROJECT

PAPER = ("--configfile", "config/paper.yaml")


def show(*arguments):
    command = [sys.executable, "scripts/show.py", *arguments]
    return subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)


def shown(*arguments):
    done = show(*arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    return yaml.safe_load(done.stdout)


def test_without_a_run_it_lists_all():
    assert show().stdout.splitlines()[:2] == ["tiny_base", "tiny_hep-th_all"]


@pytest.mark.parametrize(
    "arguments",
    [
        (*PAPER, "--config", "seed=7", "llama-3.1-8b_hep-th_all"),
        ("llama-3.1-8b_hep-th_all", *PAPER, "--config", "seed=7"),
        ("--config", "seed=7", *PAPER, "llama-3.1-8b_hep-th_all"),
        ("--config", "seed=7", *PAPER, "--", "llama-3.1-8b_hep-th_all"),
    ],
)
def test_the_run_may_stand_first_or_last(arguments):
    stages = shown(*arguments)
    assert stages["run"]["dataset"] == "hep-th" and stages["train"]["seed"] == 7
    assert {"complete hep-th", "perplexity hep-th"} <= stages.keys()


def test_several_files_and_values():
    arguments = ("--config", "lora={r: 3}", "training={batch_size: 2}", "tiny_hep-th_all")
    stages = shown(*arguments)
    assert (stages["train"]["lora"]["r"], stages["train"]["training"]["batch_size"]) == (3, 2)
    files = ("--configfile", "config/config.yaml", "config/config.yaml", "tiny_base")
    assert shown(*files)["run"]["kind"] == "base"


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("tiny_hepth_all",), "show: error: no run 'tiny_hepth_all'; did you mean 'tiny_hep-th_all'?"),
        ((*PAPER, "none.yaml"), "show: error: config: none.yaml: no such file; check the path"),
        (("--config", "seed", "tiny_base"), "show: error: --config: 'seed' is not of the form KEY=VALUE"),
        (("--config", "seed=x"), "show: error: config: $.seed: input should be a valid integer"),
    ],
)
def test_faults_are_one_line(arguments, line):
    done = show(*arguments)
    assert done.returncode == 2
    assert done.stdout.startswith(line) and len(done.stdout.splitlines()) == 1
