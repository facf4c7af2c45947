"""Faults of a fetch are one line with a remedy."""

from pathlib import Path

import pytest

from feyntune.core.errors import FeynTuneError
from feyntune.hub import fetch
from support.loopback_hub import Hub


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


@pytest.fixture
def online(tmp_path, monkeypatch):
    """The client with a network, and with an empty cache."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
    return tmp_path / "cache"


def point_client_at(address, monkeypatch):
    """Let the client of this process ask the hub at an address."""
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", address)
    template = f"{address}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
    monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", template)


REFUSED = "the hub refused the token; renew HF_TOKEN or HUGGINGFACE_API_KEY in the environment or in .env"


@pytest.mark.parametrize(
    ("hub", "token", "line"),
    [
        ({}, "hf_old", rf"{REFUSED}, or remove it \(status 401\)$"),
        ({"access": "private"}, "hf_old", REFUSED),
        ({"access": "private"}, None, r"no such repository on the hub, or private: check its name and HF_TOKEN$"),
        (
            {"access": "gated"},
            None,
            r"gated; ask for access on its page, and set HF_TOKEN in the environment",
        ),
        ({"access": "gated"}, "hf_good", r"gated; ask for access on its page"),
        ({"status": 403}, "hf_good", r"the token in HF_TOKEN or HUGGINGFACE_API_KEY has no access to it; check"),
        ({"status": 500}, None, r"the hub fails \(status 500\); run `snakemake fetch` again later$"),
    ],
)
def test_a_refusal_of_the_hub_is_one_line_with_its_remedy(online, monkeypatch, hub, token, line):
    if token:
        monkeypatch.setenv("HF_TOKEN", token)
    with Hub("some/model", {"config.json": b"{}"}, "models", token="hf_good", **hub).serving() as address:
        point_client_at(address, monkeypatch)
        with pytest.raises(FeynTuneError, match=f"^some/model at v1: {line}") as caught:
            fetch.download("some/model", "v1", cache_dir=online)
    text = str(caught.value)
    assert "\n" not in text and len(text) <= 200 and "hf_" not in text


def test_a_good_token_opens_a_private_repository(online, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_good")
    with Hub("some/model", {"config.json": b"{}"}, "models", token="hf_good", access="private").serving() as address:
        point_client_at(address, monkeypatch)
        folder = fetch.download("some/model", "v1", cache_dir=online)
    assert (Path(folder) / "config.json").read_bytes() == b"{}"
