"""Adapters at the evaluation steps: which is the best, what is kept for it, and that interruptions change nothing."""

import dataclasses
import json
import math
import signal
import time

import pyarrow.parquet
import pytest

from feyntune.config.schema.training import Training
from feyntune.core.errors import FeynTuneError
from feyntune.models.adapter_archive import archived_steps, extract_step
from feyntune.training import job
from feyntune.training.checkpoints import claim
from feyntune.training.step_adapters import StepAdapters, best_step
from support.small_training import command, settings, start, training_job, weights

WEIGHTS = "adapter_model.safetensors"
LOG = [
    {"step": 0, "validation_perplexity": 1.0},
    {"step": 1, "loss": 0.5},
    {"step": 3, "validation_perplexity": 4.0},
    {"step": 6, "validation_perplexity": 3.0},
    {"step": 9, "validation_perplexity": 3.0},
    {"step": 12, "validation_perplexity": math.nan},
]


@pytest.mark.parametrize(("until", "expected"), [(None, 6), (12, 6), (9, 6), (6, 6), (5, 3), (3, 3), (2, None)])
def test_the_best_step_is_the_first_with_the_lowest_perplexity_and_never_step_zero(until, expected):
    assert best_step(LOG, until) == expected


def test_only_the_validation_split_decides():
    assert best_step([{"step": 3, "test_perplexity": 1.0}, {"step": 6, "train_perplexity": 1.0}]) is None


def save_text(text):
    return lambda folder: (folder / "adapter_config.json").write_text(text)


def steps_in(folder):
    return sorted(int(path.name) for path in (folder / "evaluated").glob("*"))


def test_copies_are_kept_that_may_be_the_best_after_a_resumption(tmp_path):
    """The best step up to 6 is 6, up to 5 it is 3; a training may resume from either checkpoint."""
    copies = StepAdapters(tmp_path, {3, 6, 9}, all_steps=False)
    for step in (3, 5, 6):
        copies.keep(step, save_text(str(step)))
        (tmp_path / f"checkpoint-{step}").mkdir()
    (tmp_path / "checkpoint-3").rmdir()
    copies.remove_unneeded(LOG[:4])
    assert steps_in(tmp_path) == [3, 6], "step 5 is no evaluation"
    copies.keep(9, save_text("9"))
    (tmp_path / "checkpoint-5").rmdir()
    (tmp_path / "checkpoint-9").mkdir()
    copies.remove_unneeded(LOG[:5])
    assert steps_in(tmp_path) == [6]
    assert (copies.found(6) / "adapter_config.json").read_text() == "6"
    with pytest.raises(FeynTuneError, match="the adapter of step 9 is missing"):
        copies.found(9)


def test_all_copies_are_kept_for_an_archive_and_deleted_for_another_training(tmp_path):
    copies = StepAdapters(tmp_path, {3, 6}, all_steps=True)
    for step in (3, 6):
        copies.keep(step, save_text(str(step)))
    copies.remove_unneeded(LOG)
    assert steps_in(tmp_path) == [3, 6]
    claim(tmp_path, {"run": "a", "settings": 2})
    assert not (tmp_path / "evaluated").exists()


def test_keeping_the_last_adapter_is_not_part_of_the_settings():
    """So that trainings of before this setting are not stale."""
    assert "keep" not in Training().model_dump(mode="json")
    assert Training(keep="best").model_dump(mode="json")["keep"] == "best"


LAST = settings(training={"max_steps": 24, "optimizer": {"learning_rate": 0.06}})
BEST = settings(training={**LAST["training"], "keep": "best"})


def archived_job(base, data, folder, given):
    validation = data / "validation.parquet" if given["training"].get("keep") == "best" else None
    archive = folder / "adapter" / "checkpoints.zip"
    return training_job(base, data, folder, given, validation=validation, archive=archive)


@pytest.fixture(scope="module")
def best(tiny_model, data, tmp_path_factory):
    """Folder of an uninterrupted training that keeps the best adapter, and all of them in an archive."""
    folder = tmp_path_factory.mktemp("best")
    job.train(archived_job(tiny_model, data, folder, BEST))
    return folder


def archived_weights(folder, step, out):
    extract_step(folder / "adapter" / "checkpoints.zip", step, out)
    return (out / WEIGHTS).read_bytes()


def test_the_adapter_of_the_best_step_is_published(tiny_model, data, best, tmp_path):
    history = pyarrow.parquet.read_table(best / "adapter" / "history.parquet").to_pylist()
    measured = {row["step"]: row["validation_perplexity"] for row in history if row["validation_perplexity"]}
    assert sorted(measured) == [0, 8, 16, 24]
    expected = min((perplexity, step) for step, perplexity in measured.items() if step)[1]
    record = json.loads((best / "adapter" / "run.json").read_text())
    assert record["kept_step"] == expected < 24, "its words are strange: at last, the model gets worse at them"
    assert record["validation_perplexity"] == measured[expected]
    assert (record["validation_sample"], record["settings"]["training"]["keep"]) == (5, "best")
    assert archived_steps(best / "adapter" / "checkpoints.zip") == [8, 16, 24]
    assert weights(best) == archived_weights(best, expected, tmp_path / "best")

    job.train(training_job(tiny_model, data, tmp_path, LAST))
    assert weights(tmp_path) == archived_weights(best, 24, tmp_path / "last")
    assert "kept_step" not in json.loads((tmp_path / "adapter" / "run.json").read_text())
    last = pyarrow.parquet.read_table(tmp_path / "adapter" / "history.parquet").to_pylist()
    assert [row["test_loss"] for row in last] == [row["test_loss"] for row in history], "nothing else changes"


def test_killed_and_resumed_equals_uninterrupted_to_the_bit(tiny_model, data, best, tmp_path):
    archive = tmp_path / "adapter" / "checkpoints.zip"
    more = ["--validation", str(data / "validation.parquet"), "--archive", str(archive)]
    arguments = command(tiny_model, data, tmp_path, BEST, *more)
    process = start(arguments, tmp_path)
    limit = time.monotonic() + 300
    while not (tmp_path / "checkpoints" / "checkpoint-16").exists():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < limit
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.communicate()[0] is not None
    assert process.returncode == -9
    assert not archive.exists()

    process = start(arguments, tmp_path)
    output = process.communicate(timeout=300)[0]
    assert process.returncode == 0, output
    assert "resuming from checkpoint-" in output
    assert "has the best validation perplexity: it is kept" in output
    assert archive.read_bytes() == (best / "adapter" / "checkpoints.zip").read_bytes()
    assert weights(tmp_path) == weights(best)
    assert not (tmp_path / "checkpoints").exists()


def test_a_finished_training_is_restored_with_its_archive(tiny_model, data, best, tmp_path, monkeypatch):
    given = archived_job(tiny_model, data, tmp_path, BEST)
    kept = job.kept_results(dataclasses.replace(given, kept=tmp_path / "kept"))
    kept.keep(job.outputs(archived_job(tiny_model, data, best, BEST)))
    monkeypatch.setattr(job, "_train_in_this_process", lambda *_: pytest.fail("it trains"))
    job.train(dataclasses.replace(given, kept=tmp_path / "kept"))
    for name in (WEIGHTS, "checkpoints.zip"):
        assert (tmp_path / "adapter" / name).read_bytes() == (best / "adapter" / name).read_bytes()


def test_the_best_adapter_needs_a_validation_split(tiny_model, data, tmp_path):
    with pytest.raises(FeynTuneError, match=r"training.keep: best needs the validation split; give --validation"):
        job.train(training_job(tiny_model, data, tmp_path, BEST))
