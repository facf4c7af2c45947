"""Results and the workflow in different folders: real runs of one dataset, and plans of everything."""

import json
import re

import pyarrow.parquet
import pytest
import yaml

from support.papers import record, write_lines
from support.workspace import PROJECT, run_snakemake

pytestmark = pytest.mark.workflow

SNAKEFILE = PROJECT / "workflow/Snakefile"
TARGET = "results/datasets/local/train.parquet"
ROWS = {"train": range(8), "test": range(20, 23), "validation": range(30, 34)}
# Snakemake has no escape for braces and angle brackets, and the shell must quote the rest.
HOSTILE = "on scratch {run} {x,y} {} <results> $(touch pwned) 'b' \"c\" # * ü"
DATASET = {"local": {"files": {split: f"{HOSTILE}/{split}.jsonl" for split in ROWS}}}
OTHER_WORKFLOW = f"""
rule own:
    input: {TARGET!r}
    output: "own.parquet"
    shell: "cp {{input}} {{output}}"

module feyntune:
    snakefile: {str(SNAKEFILE)!r}
    config: config["feyntune"]

use rule * from feyntune
"""


@pytest.fixture
def folder(tmp_path):
    """A working folder with data, far from the project."""
    folder = tmp_path / HOSTILE
    (folder / HOSTILE).mkdir(parents=True)
    for split, numbers in ROWS.items():
        write_lines(folder / HOSTILE / f"{split}.jsonl", map(record, numbers))
    return folder


def snakemake(cwd, *options):
    done = run_snakemake(["--cores", "1", *options], cwd)
    assert done.returncode == 0, done.stdout
    return done.stdout


def check(folder, file=TARGET):
    """The dataset is there, and no record of Snakemake's holds a path of the project: moving it makes nothing stale."""
    assert pyarrow.parquet.read_metadata(folder / file).num_rows == len(ROWS["train"])
    records = [path.read_text() for path in (folder / ".snakemake/metadata").iterdir()]
    assert records and not [text for text in records if str(PROJECT) in text]


def test_directory_names_another_working_folder(folder):
    options = ("--directory", folder, "--config", f"datasets={json.dumps(DATASET)}")
    assert "tables" in snakemake(PROJECT, "--dry-run", *options)
    snakemake(PROJECT, TARGET, *options)
    check(folder)
    assert "Nothing to be done" in snakemake(PROJECT, "--dry-run", TARGET, *options)
    write_lines(folder / HOSTILE / "test.jsonl", map(record, range(40, 44)))
    assert "rule import_dataset" in snakemake(PROJECT, "--dry-run", TARGET, *options)


def test_the_workflow_runs_from_another_folder_by_the_path_of_its_snakefile(folder):
    (folder / "mine.yaml").write_text(yaml.safe_dump({"datasets": DATASET}))
    options = ("--snakefile", SNAKEFILE, "--profile", PROJECT / "profiles/local")
    assert "tables" in snakemake(folder, "--dry-run", "--quiet", "host", *options)
    snakemake(folder, TARGET, *options, "--configfile", PROJECT / "config/config.yaml", "mine.yaml")
    check(folder)


def test_another_workflow_uses_this_one_as_a_module(folder):
    ours = yaml.safe_load((PROJECT / "config/config.yaml").read_text())
    ours["datasets"].update(DATASET)
    (folder / "Snakefile").write_text(OTHER_WORKFLOW)
    (folder / "other.yaml").write_text(yaml.safe_dump({"their": "key", "feyntune": ours}))
    options = ("--configfile", "other.yaml")
    assert "tables" in snakemake(folder, "all", "--dry-run", *options)
    assert "rule all" not in snakemake(folder, *options), "their first rule is the default target"
    check(folder, "own.parquet")


def test_commands_use_nothing_that_a_module_or_another_folder_would_hide():
    """Snakemake formats the commands of a module without the Python variables of its Snakefile."""
    text = "".join(path.read_text() for path in sorted((PROJECT / "workflow/rules").glob("*.smk")))
    commands = "".join(re.findall(r"^    shell:\n((?:        .*\n?)+)", text, re.MULTILINE))
    known = {"input", "output", "log", "params", "wildcards", "threads", "resources"}
    assert set(re.findall(r"\{(\w+)", commands)) <= known
    programs = re.findall(r"\S+\.py\b", commands)
    assert len(programs) > 30 and all('"$FEYNTUNE_SCRIPTS/' in program for program in programs)
