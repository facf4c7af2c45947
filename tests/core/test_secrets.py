"""Secrets come from the environment or from .env, and one that is missing is one line with a remedy."""

import pytest

from feyntune.core.errors import FeynTuneError
from feyntune.core.secrets import HUB, WANDB, read_secret, require_secret
from support.workspace import PROJECT


@pytest.fixture(autouse=True)
def nowhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in (*HUB, *WANDB):
        monkeypatch.delenv(name, raising=False)


def test_no_token_is_none():
    assert read_secret(HUB) is None


@pytest.mark.parametrize("line", ["HF_TOKEN=abc", "HUGGINGFACE_API_KEY='abc'", '# note\nHF_TOKEN = "abc"\n'])
def test_the_token_may_stand_in_dotenv(tmp_path, line):
    (tmp_path / ".env").write_text(line)
    assert read_secret(HUB) == "abc"


def test_the_environment_wins_over_dotenv(tmp_path, monkeypatch):
    (tmp_path / ".env").write_text("HF_TOKEN=file")
    monkeypatch.setenv("HUGGINGFACE_API_KEY", "environment")
    assert read_secret(HUB) == "environment"


def test_a_value_that_is_empty_is_none(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "")
    (tmp_path / ".env").write_text("HF_TOKEN=\nexport HUGGINGFACE_API_KEY=abc\n")
    assert read_secret(HUB) == "abc"


@pytest.mark.parametrize(
    ("names", "line"),
    [
        (HUB, "rule r needs HF_TOKEN in the environment or in .env; get it at https://huggingface.co/settings/tokens"),
        (WANDB, "rule r needs WANDB_API_KEY in the environment or in .env; get it at https://wandb.ai/authorize"),
    ],
)
def test_a_missing_one_is_told_with_its_rule_and_where_to_get_it(names, line):
    with pytest.raises(FeynTuneError) as caught:
        require_secret(names, "r")
    assert str(caught.value) == line


def test_git_ignores_the_file_with_secrets_and_keeps_the_example():
    ignored = (PROJECT / ".gitignore").read_text().splitlines()
    assert ".env" in ignored and ignored.index("!.env.example") > ignored.index(".env")
    example = (PROJECT / ".env.example").read_text().splitlines()
    assert all(line.startswith("#") for line in example)
    assert {name for name in (*HUB, *WANDB) if any(name in line for line in example)} >= {"HF_TOKEN", "WANDB_API_KEY"}
