"""Offline recordings reach W&B complete, by the real client; a training in two jobs becomes one run."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from feyntune.config.schema.training import Tracking
from feyntune.core.errors import FeynTuneError
from feyntune.core.locks import locked
from feyntune.hub.wandb_sync import send, still_training, unsent
from support.loopback_wandb import Wandb

pytestmark = pytest.mark.usefixtures("apart_from_wandb")

PROGRAM = Path(__file__).resolve().parents[2] / "scripts" / "sync_wandb.py"
KEY = "0123456789abcdef" * 2 + "01234567"
ROWS = [{"loss": 3.0 - step / 10, "learning_rate": 0.1, "grad_norm": 1.0} for step in range(1, 7)]


def record(steps):
    """Record these steps of a training offline, as each job of it does."""
    from feyntune.training.wandb import WandbTracker

    tracker = WandbTracker(Tracking(wandb="offline"), "run", "run-0123456789ab", {"seed": 1})
    for step in steps:
        tracker.on_log(None, SimpleNamespace(global_step=step, log_history=[]), None, ROWS[step - 1])
    tracker.finish()


def sync(address, **environment):
    """Run ``sync_wandb.py`` as a process of its own."""
    return subprocess.run(
        [sys.executable, str(PROGRAM)], env={**os.environ, "WANDB_BASE_URL": address, **environment},
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_an_offline_folder_is_sent_once_and_complete():
    record(range(1, 7))
    wandb = Wandb()
    with wandb.serving() as address:
        done = sync(address, WANDB_API_KEY=KEY)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "sync_wandb: 1 recordings sent to W&B" in done.stdout
        (rows,) = wandb.history.values()
        assert [(row["step"], row["loss"]) for _, row in sorted(rows.items())] == [
            (step, row["loss"]) for step, row in enumerate(ROWS, 1)
        ]
        wandb.bodies.clear()
        assert "sync_wandb: nothing to send" in sync(address, WANDB_API_KEY=KEY).stdout
        assert wandb.bodies == []


def test_a_training_in_two_jobs_becomes_one_run_with_all_its_steps():
    record(range(1, 4))
    record(range(4, 7))
    assert len(unsent(Path("results/wandb"))) == 2
    wandb = Wandb()
    with wandb.serving() as address:
        done = sync(address, WANDB_API_KEY=KEY)
    assert done.returncode == 0, done.stdout + done.stderr
    assert list(wandb.history) == ["run-0123456789ab"]
    rows = [row for _, row in sorted(wandb.history["run-0123456789ab"].items())]
    assert [row["step"] for row in rows] == [1, 2, 3, 4, 5, 6]
    assert [row["_step"] for row in rows] == sorted({row["_step"] for row in rows})


def test_a_server_that_fails_leaves_the_recordings_for_the_next_time():
    record(range(1, 3))
    with Wandb(status=400).serving() as address:
        done = sync(address, WANDB_API_KEY=KEY)
    assert done.returncode == 2
    assert "sync_wandb: error: W&B took 0 of 1 recordings, not results/wandb/offline-run-" in done.stdout
    assert len(unsent(Path("results/wandb"))) == 1


def test_the_key_may_be_in_dotenv_and_is_not_shown(tmp_path):
    record(range(1, 3))
    (tmp_path / ".env").write_text(f"WANDB_API_KEY={KEY}\n")
    wandb = Wandb()
    with wandb.serving() as address:
        done = sync(address)
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(wandb.keys - {None}) == 1
    assert KEY not in done.stdout + done.stderr


def test_without_a_key_one_line_says_what_is_missing():
    recording("offline-run-20260101_000000-run-0123456789ab")
    done = sync("http://127.0.0.1:9")
    assert done.returncode == 2
    line = "rule sync needs WANDB_API_KEY in the environment or in .env; get it at https://wandb.ai/authorize"
    assert f"sync_wandb: error: {line}" in done.stdout.splitlines()


def recording(name):
    folder = Path("results/wandb") / name
    folder.mkdir(parents=True)
    (folder / f"{name}.wandb").touch()
    return folder


def test_a_running_training_is_not_sent_yet():
    busy = recording("offline-run-20260101_000000-llama_hep-th-v2-0123456789ab")
    recording("offline-run-20260101_000001-llama_hep-th-0123456789ab")
    with locked("results/checkpoints/llama_hep-th.v2"):
        assert still_training(unsent(Path("results/wandb")), Path("results/checkpoints")) == [busy]
    assert still_training(unsent(Path("results/wandb")), Path("results/checkpoints")) == []


def test_sent_recordings_and_other_folders_are_not_listed():
    sent = recording("offline-run-20260101_000000-a-0123456789ab")
    (sent / "x.wandb.synced").touch()
    Path("results/wandb/offline-run-20260101_000001-b-0123456789ab").mkdir()
    assert unsent(Path("results/wandb")) == []
    assert unsent(Path("nowhere")) == []


def test_the_error_counts_what_was_sent(monkeypatch):
    taken, left = (recording(f"offline-run-20260101_00000{n}-a-0123456789ab") for n in (1, 2))

    def took_one(*_, **__):
        (taken / "x.wandb.synced").touch()
        return SimpleNamespace(stdout="", stderr="")

    monkeypatch.setattr(subprocess, "run", took_one)
    with pytest.raises(FeynTuneError, match=f"W&B took 1 of 2 recordings, not {left}"):
        send([taken, left], KEY)


def test_without_the_package_one_line_says_what_to_type(monkeypatch, tmp_path):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(FeynTuneError, match="make wandb"):
        send([tmp_path], "key")
