"""Tokens come from the environment or from .env, and faults of the hub are one line with a remedy."""

import pytest
from feyntune import hub
from feyntune.errors import FeynTuneError


@pytest.fixture(autouse=True)
def nowhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("HF_TOKEN", "HUGGINGFACE_API_KEY"):
        monkeypatch.delenv(name, raising=False)


def test_no_token_is_none():
    assert hub.read_token() is None


@pytest.mark.parametrize("line", ["HF_TOKEN=abc", "HUGGINGFACE_API_KEY='abc'", '# note\nHF_TOKEN = "abc"\n'])
def test_the_token_may_stand_in_dotenv(tmp_path, line):
    (tmp_path / ".env").write_text(line)
    assert hub.read_token() == "abc"


def test_the_environment_wins_over_dotenv(tmp_path, monkeypatch):
    (tmp_path / ".env").write_text("HF_TOKEN=file")
    monkeypatch.setenv("HUGGINGFACE_API_KEY", "environment")
    assert hub.read_token() == "environment"


def test_offline_is_told_with_what_to_run(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    with pytest.raises(FeynTuneError, match=r"some/model at abc: cannot fetch it .* run `snakemake fetch`") as caught:
        hub.download("some/model", "abc", cache_dir=tmp_path / "cache")
    assert "\n" not in str(caught.value)
