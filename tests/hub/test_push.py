"""Pushing with the hub's real client to a hub on the loopback: what is sent, what is not, and how faults end."""

import hashlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from feyntune.config.schema.hub import PushStage
from feyntune.core.errors import FeynTuneError
from feyntune.hub.push import PushJob, push
from support.loopback_push import TOKEN, PushHub, Repository

PROGRAM = Path(__file__).resolve().parents[2] / "scripts" / "push.py"
SMALL = 100  # bytes: the loopback's threshold of LFS, where a test does not say otherwise


@pytest.fixture
def files(tmp_path):
    """A card below the threshold of LFS, and weights above it."""
    (tmp_path / "README.md").write_text("---\ntags: [feyntune]\n---\n# Card\n")
    (tmp_path / "weights.safetensors").write_bytes(bytes(range(256)) * 4)
    return {name: tmp_path / name for name in ("README.md", "weights.safetensors")}


@pytest.fixture
def waits(monkeypatch):
    """The client on the loopback, by HTTP alone (not Xet, which has a protocol of its own); gives its pauses."""
    pauses = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
    return pauses


def push_to(hub, files, monkeypatch, tmp_path, token=TOKEN, **stage):
    """Push once; returns the receipt."""
    given = {"repository": "me/run", "kind": "model", "private": True, **stage}
    with hub.serving() as address:
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", address)
        push(PushJob(PushStage(**given), files, tmp_path / "receipt.json"), token)
    return json.loads((tmp_path / "receipt.json").read_text())


@pytest.mark.parametrize(("kind", "folder"), [("model", "models"), ("dataset", "datasets")])
def test_a_push_makes_a_private_repository_with_the_files(waits, files, monkeypatch, tmp_path, kind, folder):
    hub = PushHub(SMALL)
    receipt = push_to(hub, files, monkeypatch, tmp_path, kind=kind)
    repository = hub.repositories[f"{folder}/me/run"]
    assert repository.private
    assert repository.files == {name: path.read_bytes() for name, path in files.items()}
    assert list(hub.objects.values()) == [files["weights.safetensors"].read_bytes()]
    assert receipt["commit"] == repository.commits[-1]
    assert receipt["repository"] == "me/run" and set(receipt["files"]) == set(files)


def test_damaged_files_are_not_sent(waits, files, monkeypatch, tmp_path):
    """A byte of the weights is another one than when the training recorded them, in a folder of its own."""
    digest = hashlib.sha256(files["weights.safetensors"].read_bytes()).hexdigest()
    record = tmp_path / "card" / "any.json"
    record.parent.mkdir()
    record.write_text(json.dumps({"weights": {"weights.safetensors": digest, "not sent.json": "0" * 64}}))
    sent, hub = {**files, "run.json": record}, PushHub(SMALL)
    assert push_to(hub, sent, monkeypatch, tmp_path)["sent"]
    content = bytearray(files["weights.safetensors"].read_bytes())
    content[500] ^= 1
    files["weights.safetensors"].write_bytes(content)
    before = dict(hub.repositories["models/me/run"].files)
    with pytest.raises(FeynTuneError, match=r"weights\.safetensors: damaged: SHA-256 .*run\.json says"):
        push_to(hub, sent, monkeypatch, tmp_path)
    assert hub.repositories["models/me/run"].files == before


def test_a_public_repository_is_made_only_if_the_settings_say_so(waits, files, monkeypatch, tmp_path):
    hub = PushHub(SMALL)
    push_to(hub, files, monkeypatch, tmp_path, private=False)
    assert not hub.repositories["models/me/run"].private


def test_only_what_changed_is_pushed_again(waits, files, monkeypatch, tmp_path):
    hub = PushHub(SMALL)
    first = push_to(hub, files, monkeypatch, tmp_path)
    again = push_to(hub, files, monkeypatch, tmp_path)
    assert (again["commit"], again["sent"]) == (first["commit"], [])
    files["README.md"].write_text("another card")
    third = push_to(hub, files, monkeypatch, tmp_path)
    assert third["sent"] == ["README.md"]
    assert hub.count("PUT", "/lfs/") == 1
    assert len(hub.repositories["models/me/run"].commits) == 3


def test_an_existing_private_repository_keeps_its_other_files(waits, files, monkeypatch, tmp_path):
    hub = PushHub(SMALL)
    hub.repositories["models/me/run"] = Repository()
    hub.repositories["models/me/run"].files["notes.txt"] = b"mine"
    push_to(hub, files, monkeypatch, tmp_path)
    assert hub.repositories["models/me/run"].files["notes.txt"] == b"mine"


def test_private_files_are_not_pushed_to_a_public_repository(waits, files, monkeypatch, tmp_path):
    hub = PushHub(SMALL)
    hub.repositories["models/me/run"] = Repository(private=False)
    with pytest.raises(FeynTuneError, match=r"me/run: public on the hub, but \$.hub.private is true"):
        push_to(hub, files, monkeypatch, tmp_path)
    assert hub.repositories["models/me/run"].files == {}
    assert not (tmp_path / "receipt.json").exists()


@pytest.mark.parametrize(
    ("fault", "line"),
    [
        (("POST", "/api/repos/create", 403, {}), r"me/run: the token may not write there; .* \(status 403\)"),
        (("POST", "/commit/", 403, {}), r"me/run: the token may not write there; .* \(status 403\)"),
        (("POST", "/commit/", 400, {}), "me/run: the hub rejects the files"),
    ],
)
def test_a_refusal_is_one_line_and_is_not_repeated(waits, files, monkeypatch, tmp_path, fault, line):
    hub = PushHub(SMALL, [fault])
    with pytest.raises(FeynTuneError, match=line) as caught:
        push_to(hub, files, monkeypatch, tmp_path)
    assert "\n" not in str(caught.value) and waits == []
    assert not (tmp_path / "receipt.json").exists()


def test_a_wrong_token_is_reported_and_not_shown(waits, files, monkeypatch, tmp_path):
    with pytest.raises(FeynTuneError, match=r"the hub refused the token in HF_TOKEN .*; create one") as caught:
        push_to(PushHub(SMALL), files, monkeypatch, tmp_path, token="hf_wrong")
    assert "hf_wrong" not in str(caught.value)


@pytest.mark.parametrize("place", ["/api/repos/create", "/preupload/", "objects/batch", "/commit/"])
def test_the_client_waits_as_long_as_the_hub_asks(waits, files, monkeypatch, tmp_path, place):
    hub = PushHub(SMALL, [("POST", place, 429, {"Retry-After": "17"})])
    push_to(hub, files, monkeypatch, tmp_path)
    assert len(hub.repositories["models/me/run"].files) == 2
    assert 17 <= sum(waits) <= 18


@pytest.mark.parametrize(
    ("method", "place"),
    [("POST", "/api/repos/create"), ("GET", "/api/models"), ("PUT", "/lfs/"), ("POST", "/commit/")],
)
def test_three_failures_are_retried(waits, files, monkeypatch, tmp_path, method, place):
    hub = PushHub(SMALL, [(method, place, 500, {})] * 3)
    push_to(hub, files, monkeypatch, tmp_path)
    assert hub.faults == []
    assert len(hub.repositories["models/me/run"].files) == 2
    assert len(hub.repositories["models/me/run"].commits) == 2


def test_retries_end(waits, files, monkeypatch, tmp_path):
    with pytest.raises(FeynTuneError, match=r"me/run: the hub fails .* push again later: nothing is sent twice"):
        push_to(PushHub(SMALL, [("POST", "/commit/", 500, {})] * 99), files, monkeypatch, tmp_path)


def test_an_upload_whose_connection_is_cut_is_repeated(waits, files, monkeypatch, tmp_path):
    files["weights.safetensors"].write_bytes(os.urandom(11_000_000))
    hub = PushHub(faults=[("PUT", "/lfs/", "cut", {})])
    push_to(hub, files, monkeypatch, tmp_path)
    assert hub.count("PUT", "/lfs/") == 2
    assert hub.repositories["models/me/run"].files["weights.safetensors"] == files["weights.safetensors"].read_bytes()


def test_an_interrupted_push_is_completed_by_the_next_one(waits, files, monkeypatch, tmp_path):
    hub = PushHub(SMALL, [("POST", "/commit/", 403, {})])
    with pytest.raises(FeynTuneError):
        push_to(hub, files, monkeypatch, tmp_path)
    assert hub.repositories["models/me/run"].files == {}
    receipt = push_to(hub, files, monkeypatch, tmp_path)
    assert sorted(receipt["sent"]) == sorted(files)
    assert hub.count("PUT", "/lfs/") == 1  # what was uploaded before is not uploaded again


def test_a_commit_whose_response_is_lost_is_not_made_twice(waits, files, monkeypatch, tmp_path):
    hub = PushHub(SMALL, [("POST", "/commit/", "lost", {})])
    receipt = push_to(hub, files, monkeypatch, tmp_path)
    assert hub.faults == [] and hub.count("POST", "/commit/") == 1
    assert receipt["commit"] == hub.repositories["models/me/run"].commits[-1]


def test_an_unreachable_hub_is_one_line(waits, files, monkeypatch, tmp_path):
    hub = PushHub()
    with hub.serving() as address:
        pass
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", address)
    with pytest.raises(FeynTuneError, match=r"me/run: cannot push .* push again where there is a network"):
        push(
            PushJob(PushStage(repository="me/run", kind="model", private=True), files, tmp_path / "receipt.json"), TOKEN
        )


def start_program(folder, files, **environment):
    """Start ``push.py`` as a process of its own in ``folder``."""
    pairs = [f"{name}={path}" for name, path in files.items()]
    stage = json.dumps({"repository": "me/run", "kind": "model", "private": True})
    bare = {key: value for key, value in os.environ.items() if key not in ("HF_TOKEN", "HUGGINGFACE_API_KEY")}
    return subprocess.Popen(
        [sys.executable, str(PROGRAM), "--files", *pairs, "--rule", "push_adapter", "--settings", stage,
         "--receipt", str(folder / "receipt.json")],
        cwd=folder, env={**bare, "HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_XET": "1", **environment},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def run_program(folder, files, **environment):
    """Run ``push.py`` to its end; returns the finished process."""
    with start_program(folder, files, **environment) as process:
        out, err = process.communicate()
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def test_the_program_reads_the_token_from_dotenv(files, tmp_path):
    hub = PushHub(SMALL)
    (tmp_path / ".env").write_text(f"HUGGINGFACE_API_KEY={TOKEN}\n")
    with hub.serving() as address:
        done = run_program(tmp_path, files, HF_ENDPOINT=address)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "push me/run: 2 of 2 files sent to me/run, commit" in done.stdout
    assert TOKEN not in done.stdout + done.stderr + (tmp_path / "receipt.json").read_text()


def test_a_killed_push_leaves_no_receipt_and_is_completed_by_the_next(files, tmp_path):
    files["weights.safetensors"].write_bytes(os.urandom(40_000_000))
    hub = PushHub()
    (tmp_path / ".env").write_text(f"HF_TOKEN={TOKEN}\n")
    with hub.serving() as address:
        process = start_program(tmp_path, files, HF_ENDPOINT=address)
        while not hub.count("PUT", "/lfs/"):
            assert process.poll() is None, "the program ended before the upload"
            time.sleep(0.01)
        process.kill()
        process.wait()
        assert not (tmp_path / "receipt.json").exists()
        done = run_program(tmp_path, files, HF_ENDPOINT=address)
    assert done.returncode == 0, done.stdout + done.stderr
    assert hub.repositories["models/me/run"].files == {name: path.read_bytes() for name, path in files.items()}


def test_without_a_token_one_line_says_which_rule_needs_it_and_where_to_get_it(files, tmp_path):
    done = run_program(tmp_path, files, HF_ENDPOINT="http://127.0.0.1:9")
    assert done.returncode == 2
    line = "rule push_adapter needs HF_TOKEN in the environment or in .env; get it at https://huggingface.co/settings/tokens"
    assert f"push me/run: error: {line}" in done.stdout.splitlines()
