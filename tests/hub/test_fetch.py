"""Faults of a fetch are one line with a remedy."""

import json
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from feyntune.core.errors import FeynTuneError
from feyntune.core.fingerprint import SCRIPTS
from feyntune.hub import client, fetch
from feyntune.hub.remote_code import add_code
from support.loopback_hub import COMMIT, Hub


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
        ({"status": 404}, None, r"the hub does not have it; check its name, and HF_ENDPOINT if you set it"),
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


def test_a_hub_that_is_silent_or_hangs_up_is_one_line(online, monkeypatch):
    monkeypatch.setattr(client, "SILENCE", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as server:
        point_client_at(f"http://127.0.0.1:{server.getsockname()[1]}", monkeypatch)
        with pytest.raises(FeynTuneError, match=r"^some/model at v1: cannot fetch it \(.*timed out.*\); run") as caught:
            fetch.download("some/model", "v1", cache_dir=online)
        assert "\n" not in str(caught.value)
        threading.Thread(target=lambda: [server.accept()[0].close() for _ in range(2)], daemon=True).start()
        with pytest.raises(FeynTuneError, match=r"^some/model at v1: cannot fetch it \(.*\); run"):
            fetch.download("some/model", "v1", cache_dir=online)


def test_a_good_token_opens_a_private_repository(online, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_good")
    with Hub("some/model", {"config.json": b"{}"}, "models", token="hf_good", access="private").serving() as address:
        point_client_at(address, monkeypatch)
        folder = fetch.download("some/model", "v1", cache_dir=online)
    assert (Path(folder) / "config.json").read_bytes() == b"{}"


MODEL = """
from transformers import BertModel

from .configuration_two import TwoConfig
from .scale import SCALE


class TwoModel(BertModel):
    config_class = TwoConfig

    def forward(self, *args, **kwargs):
        output = super().forward(*args, **kwargs)
        output.last_hidden_state = SCALE * output.last_hidden_state
        return output
"""
CONFIGURATION = """
from transformers import BertConfig


class TwoConfig(BertConfig):
    model_type = "two"
"""
CODE = {
    "modeling_two.py": MODEL.encode(),
    "configuration_two.py": CONFIGURATION.encode(),
    "scale.py": b"SCALE = 3.0\n",
    "pytorch_model.bin": b"not fetched",
}
LOADING = """
import sys
from sentence_transformers import SentenceTransformer

model = SentenceTransformer(sys.argv[1], device="cpu", trust_remote_code=True, local_files_only=True)
print(type(model[0].auto_model).__name__, model.encode(["We study."]).shape)
"""


@pytest.fixture
def two_parts(tmp_path, tiny_model):
    """Files of a repository whose code is in another one."""
    from transformers import AutoTokenizer, BertConfig, BertModel

    sizes = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    BertModel(BertConfig(vocab_size=320, **sizes)).save_pretrained(tmp_path / "two")
    AutoTokenizer.from_pretrained(tiny_model, pad_token="</s>").save_pretrained(tmp_path / "two")
    files = {path.name: path.read_bytes() for path in (tmp_path / "two").iterdir()}
    named = {name: f"labs/code--{entry}" for name, entry in
             {"AutoConfig": "configuration_two.TwoConfig", "AutoModel": "modeling_two.TwoModel"}.items()}  # fmt: skip
    config = {**json.loads(files["config.json"]), "model_type": "two", "auto_map": named}
    return {**files, "config.json": json.dumps(config).encode()}


def fetch_by_program(folder, address, *options):
    return subprocess.run(
        [sys.executable, str(SCRIPTS / "fetch.py"), "--repository", "labs/two", "--revision", "v1", *options,
         "--folder", str(folder / "model"), "--receipt", str(folder / "fetched.json")],
        env={**os.environ, "HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_XET": "1", "HF_ENDPOINT": address,
             "HF_HOME": str(folder / "hf")},
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_a_model_whose_code_is_in_a_second_repository_loads_offline(tmp_path, two_parts):
    hub = Hub("labs/two", two_parts, "models", others={"labs/code": CODE})
    with hub.serving() as address:
        done = fetch_by_program(tmp_path, address, "--code")
        assert done.returncode == 0, done.stdout + done.stderr
        assert f"code of labs/code at commit {COMMIT}" in done.stdout
        again = fetch_by_program(tmp_path, address, "--code")
    assert again.returncode == 0, again.stdout + again.stderr
    assert json.loads((tmp_path / "fetched.json").read_text())["code"] == {"labs/code": COMMIT}
    assert "pytorch_model.bin" not in {path for path, _ in hub.downloads}
    loaded = subprocess.run(
        [sys.executable, "-c", LOADING, str(tmp_path / "model")],
        env={**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "empty")},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert loaded.returncode == 0, loaded.stderr
    assert loaded.stdout.split("\n")[0] == "TwoModel (1, 32)"


def test_weights_in_subfolders_are_fetched_if_they_are_modules_or_the_wanted_adapter(tmp_path):
    weights = ("model", "2_Dense/model", "text_matching/adapter_model", "separation/adapter_model", "fp16/model")
    files = {f"{name}.safetensors": name.encode() for name in weights}
    files |= {"config.json": b"{}", "text_matching/adapter_config.json": b"{}"}
    hub = Hub("labs/two", files, "models")
    with hub.serving() as address:
        done = fetch_by_program(tmp_path, address)
        assert done.returncode == 0, done.stdout + done.stderr
        assert stored(tmp_path) == {"model.safetensors", "2_Dense/model.safetensors"}
        done = fetch_by_program(tmp_path, address, "--adapter", "text_matching")
        assert done.returncode == 0, done.stdout + done.stderr
        wrong = fetch_by_program(tmp_path, address, "--adapter", "separation")
    assert stored(tmp_path) == {f"{name}.safetensors" for name in weights[:3]}
    assert "text_matching/adapter_model.safetensors" in json.loads((tmp_path / "fetched.json").read_text())["files"]
    assert wrong.returncode == 2
    assert "no separation/adapter_config.json; correct the metric's 'adapter'" in wrong.stdout


def stored(folder):
    """The fetched weights, relative to the model's folder."""
    return {str(path.relative_to(folder / "model")) for path in (folder / "model").rglob("*.safetensors")}


def test_a_later_fetch_takes_the_pinned_code(tmp_path):
    named = {"AutoModel": "labs/code--m.Model", "AutoTokenizer": ["labs/code--t.Slow", None]}
    asked = []

    def fetch_code(repository, revision):
        asked.append((repository, revision))
        (tmp_path / "cache/abc").mkdir(parents=True, exist_ok=True)
        (tmp_path / "cache/abc/m.py").write_text("class Model: ...\n")
        return tmp_path / "cache/abc"

    for commit in ("1", "1", "2"):
        (tmp_path / "config.json").write_text(json.dumps({"auto_map": named}))
        assert add_code(tmp_path, commit, fetch_code) == {"labs/code": "abc"}
    assert [revision for _, revision in asked] == ["main", "abc", "main"]
    auto_map = json.loads((tmp_path / "config.json").read_text())["auto_map"]
    assert auto_map == {"AutoModel": "m.Model", "AutoTokenizer": ["t.Slow", None]}


def test_without_the_option_no_code_of_other_repositories_is_fetched(tmp_path, two_parts):
    hub = Hub("labs/two", two_parts, "models", others={"labs/code": CODE})
    with hub.serving() as address:
        done = fetch_by_program(tmp_path, address)
    assert done.returncode == 0, done.stdout + done.stderr
    assert not list((tmp_path / "model").rglob("*.py"))


def test_two_repositories_with_different_code_of_one_name_are_refused(tmp_path):
    (tmp_path / "own.py").write_text("ONE = 1\n")
    (tmp_path / "model").mkdir()
    (tmp_path / "model/m.py").symlink_to(tmp_path / "own.py")
    (tmp_path / "model/config.json").write_text('{"auto_map": {"AutoModel": "labs/code--m.Model"}}')
    (tmp_path / "abc").mkdir()
    (tmp_path / "abc/m.py").write_text("TWO = 2\n")
    with pytest.raises(FeynTuneError, match="labs/code has other code under the same name"):
        add_code(tmp_path / "model", "1", lambda repository, revision: tmp_path / "abc")
    assert (tmp_path / "own.py").read_text() == "ONE = 1\n"
