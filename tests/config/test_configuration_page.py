"""config/README.md and the JSON schema describe the settings as the code defines them."""

import json
import subprocess
import sys

import pytest
import yaml

from feyntune.config.load import parse_configuration
from support.config_examples import SMALL
from support.workspace import PROJECT

jsonschema = pytest.importorskip("jsonschema")  # Snakemake requires it
PAGE, SCHEMA = PROJECT / "config/README.md", PROJECT / "workflow/schemas/config.schema.json"
VALIDATOR = jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text()))


def test_both_files_are_as_the_program_writes_them(tmp_path):
    page, schema = tmp_path / "README.md", tmp_path / "schema.json"
    page.write_text(PAGE.read_text())
    command = [sys.executable, PROJECT / "scripts/describe_configuration.py", "--page", page, "--schema", schema]
    subprocess.run(command, check=True)
    assert page.read_text() == PAGE.read_text(), "run scripts/describe_configuration.py"
    assert schema.read_text() == SCHEMA.read_text(), "run scripts/describe_configuration.py"


def test_the_page_shows_the_defaults_of_each_stage():
    train = PAGE.read_text().split("## resources.train\n")[1].split("## ")[0]
    assert "| `gpu` | `1` |" in train and "| `threads` | `14` |" in train and "| `runtime` | `2880` |" in train


def test_links_of_the_page_lead_to_tables():
    text = PAGE.read_text()
    titles = {line.removeprefix("## ").lower().translate(str.maketrans("", "", ".[], ")) for line in text.splitlines()}
    targets = [part.split(")")[0] for part in text.split("[its keys](#")[1:]]
    assert len(targets) > 20 and set(targets) <= titles


@pytest.mark.parametrize("path", sorted((PROJECT / "config").glob("*.yaml")), ids=lambda path: path.name)
def test_shipped_configurations_name_the_schema_and_fulfil_it(path):
    first = path.read_text().splitlines()[0]
    assert first == "# yaml-language-server: $schema=../workflow/schemas/config.schema.json"
    assert (path.parent / first.split("=")[1]).resolve() == SCHEMA
    VALIDATOR.validate(yaml.safe_load(path.read_text()))


@pytest.mark.parametrize(
    "short",
    [
        {"runs": {"mine": {"completions": "c.csv", "metrics": {"semscore": "s.csv"}}}},
        {"datasets": {**SMALL["datasets"], "both": {"mix": ["hep-th", {"dataset": "gr-qc", "of": "hep-th"}]}}},
        {"datasets": {**SMALL["datasets"], "part": {"mix": [{"dataset": "gr-qc", "total": ["hep-th", "gr-qc"]}]}}},
        {"metrics": {"rouge": None, "repetition": {}}},
        {"models": {**SMALL["models"], "x": {"path": "x", "lora": {"r": 4}, "training": {"optimizer": {"eps": 1e-6}}}}},
    ],
)
def test_the_schema_allows_the_short_forms_that_the_parser_allows(short):
    parse_configuration({**SMALL, **short})
    VALIDATOR.validate({**SMALL, **short})


@pytest.mark.parametrize(
    "wrong", [{"sed": 1}, {"training": {"num_train_epoch": 3}}, {"seed": -1}, {"runs": {"x": {"training": {"a": 1}}}}]
)
def test_the_schema_refuses_what_the_parser_refuses(wrong):
    assert not VALIDATOR.is_valid({**SMALL, **wrong})
