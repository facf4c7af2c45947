"""Faults of a fetch are one line with a remedy."""

import pytest

from feyntune.core.errors import FeynTuneError
from feyntune.hub import fetch


@pytest.fixture(autouse=True)
def nowhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("HF_TOKEN", "HUGGINGFACE_API_KEY"):
        monkeypatch.delenv(name, raising=False)


def test_the_error_without_a_network_names_the_command(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    with pytest.raises(FeynTuneError, match=r"some/model at abc: cannot fetch it .* run `snakemake fetch`") as caught:
        fetch.download("some/model", "abc", cache_dir=tmp_path / "cache")
    assert "\n" not in str(caught.value)
