"""W&B gets the same numbers as the history, and its failures stop nothing else."""

import pytest

from feyntune.config.schema.training import Tracking
from feyntune.training import job
from support.small_training import settings, training_job, weights

pytestmark = pytest.mark.usefixtures("apart_from_wandb")

GIVEN = settings(training={"max_steps": 2, "evaluation": {"times": 1}})


def test_the_id_has_the_run_and_the_job_fingerprint():
    from feyntune.training.tracking import tracking_id

    assert tracking_id("llama_hep-th.v2", "0123456789abcdef") == "llama_hep-th-v2-0123456789ab"


def test_the_table_of_the_paper_has_the_prompts_and_a_row_for_each_evaluation():
    from feyntune.training.wandb import completions_table

    def control_prompts(text):
        return [{"id": "1", "prompt": "p1", "completion": text}, {"id": "2", "prompt": "p2", "completion": text}]

    log = [
        {"step": 0, "control_prompts": control_prompts("a")},
        {"step": 1, "loss": 1.0},
        {"step": 5, "control_prompts": control_prompts("b")},
    ]
    table = completions_table(log)
    assert table.columns == ["step", "1", "2"]
    assert table.data == [["prompt", "p1", "p2"], ["0", "a", "a"], ["5", "b", "b"]]


def test_offline_mode_records_for_a_later_sync_and_changes_no_result(tiny_model, data, tmp_path):
    job.train(training_job(tiny_model, data, tmp_path / "without", GIVEN))
    job.train(training_job(tiny_model, data, tmp_path / "with", GIVEN, tracking=Tracking(wandb="offline")))
    assert len(list(tmp_path.glob("results/wandb/offline-run-*/run-small-*.wandb"))) == 1
    assert weights(tmp_path / "with") == weights(tmp_path / "without")


def test_without_a_connection_the_training_continues_and_records_offline(
    tiny_model, data, tmp_path, monkeypatch, capfd
):
    from feyntune.training import wandb

    monkeypatch.setattr(wandb, "PATIENCE", 2)
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
    job.train(training_job(tiny_model, data, tmp_path, GIVEN, tracking=Tracking(wandb="online")))
    assert "W&B online failed, training continues" in capfd.readouterr().out
    assert list(tmp_path.glob("results/wandb/offline-run-*/*.wandb"))
    assert weights(tmp_path)


def test_a_failure_while_logging_is_only_reported(tmp_path, capfd):
    from feyntune.training.wandb import WandbTracker

    class Broken:
        def log(self, *_):
            raise ConnectionError("gone")

        finish = log

    callback = WandbTracker.__new__(WandbTracker)
    callback.title, callback.started, callback.run = "W&B", True, Broken()
    state = type("State", (), {"global_step": 1, "log_history": []})
    callback.on_log(None, state, None, {"loss": 1.0})
    callback.finish()
    assert capfd.readouterr().out.count("training continues: ConnectionError: gone") == 2
