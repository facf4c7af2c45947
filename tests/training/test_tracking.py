"""Trackers beside W&B: they get the numbers of the history, start only if asked, and stop no training."""

import importlib.util
import sys
from types import ModuleType

import pyarrow.parquet
import pytest

from feyntune.config.schema.training import Tracking
from feyntune.core.errors import FeynTuneError
from feyntune.training import job, tracking
from support.small_training import settings, training_job, weights

pytestmark = pytest.mark.usefixtures("apart_from_wandb")

GIVEN = settings(training={"max_steps": 2, "evaluation": {"times": 1}})


class Recorder:
    """Stands for TensorBoard's writer and for the module Trackio."""

    def __init__(self, *given, **named):
        self.given, self.named, self.rows, self.texts, self.finished = given, named, [], [], False
        Recorder.last = self

    def add_scalar(self, name, value, step):
        self.rows.append((step, name, value))

    def add_text(self, name, text, step):
        self.texts.append((step, name, text))

    def log(self, numbers, step):
        self.rows += [(step, name, value) for name, value in numbers.items()]

    def finish(self):
        self.finished = True

    close = finish


@pytest.fixture
def stand_ins(monkeypatch):
    """Modules in the place of TensorBoard and Trackio, which need not be installed."""
    board, trackio = ModuleType("torch.utils.tensorboard"), ModuleType("trackio")
    board.SummaryWriter = Recorder
    recorder = Recorder()
    trackio.init = lambda **named: recorder.named.update(named)
    trackio.log, trackio.finish = recorder.log, recorder.finish
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", board)
    monkeypatch.setitem(sys.modules, "trackio", trackio)
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        tracking.importlib.util,
        "find_spec",
        lambda name, *more: True if name in ("tensorboard", "trackio") else find_spec(name, *more),
    )
    monkeypatch.setenv("TRACKIO_DIR", "here")
    return recorder


def expected_rows(folder):
    history = pyarrow.parquet.read_table(folder / "adapter" / "history.parquet").drop(["epoch", "control_prompts"])
    return {
        (row["step"], name, value)
        for row in history.to_pylist()
        for name, value in row.items()
        if name != "step" and value is not None
    }


@pytest.mark.parametrize("name", ["tensorboard", "trackio"])
def test_a_tracker_gets_the_numbers_of_the_history(tiny_model, data, tmp_path, stand_ins, name):
    job.train(training_job(tiny_model, data, tmp_path, GIVEN, tracking=Tracking(report_to=[name])))
    recorder = Recorder.last if name == "tensorboard" else stand_ins
    assert set(recorder.rows) == expected_rows(tmp_path)
    assert recorder.finished
    if name == "tensorboard":
        assert recorder.given[0].startswith("results/tensorboard/small-")
        assert recorder.named == {"purge_step": None}
        assert {(step, place) for step, place, _ in recorder.texts} == {
            (step, f"completions/control_prompts{number}") for step in (0, 2) for number in range(3)
        }
    else:
        assert (recorder.named["project"], recorder.named["resume"]) == ("feyntune", "allow")
        assert "space_id" not in recorder.named  # nothing leaves this machine


def test_a_resumed_training_replaces_what_was_logged_after_its_checkpoint(stand_ins):
    tracking.TensorboardTracker("small-0123456789ab", 7)
    assert Recorder.last.named == {"purge_step": 8}


def test_a_tracker_that_fails_stops_nothing(tiny_model, data, tmp_path, stand_ins, monkeypatch, capfd):
    def fail(*_, **__):
        raise ConnectionError("gone\nand more")

    monkeypatch.setattr(Recorder, "add_scalar", fail)
    monkeypatch.setattr(sys.modules["trackio"], "init", fail)
    both = Tracking(report_to=["trackio", "tensorboard"])
    job.train(training_job(tiny_model, data, tmp_path / "with", GIVEN, tracking=both))
    output = capfd.readouterr().out
    assert "TensorBoard failed, training continues: ConnectionError: gone\n" in output
    assert output.count("Trackio failed, training continues: ConnectionError: gone\n") == 1
    job.train(training_job(tiny_model, data, tmp_path / "without", GIVEN))
    assert weights(tmp_path / "with") == weights(tmp_path / "without")


def test_wandb_may_be_named_in_the_list_and_is_offline_then():
    assert tracking.trackers_of(Tracking(report_to=["trackio", "wandb"])) == ["wandb", "trackio"]
    assert tracking.trackers_of(Tracking(wandb="online", report_to=["wandb"])) == ["wandb"]
    assert tracking.trackers_of(Tracking()) == []


def test_without_trackers_none_is_imported(tiny_model, data, tmp_path, monkeypatch):
    names = ("wandb", "trackio", "torch.utils.tensorboard")
    for name in [name for name in sys.modules if name.split(".")[0] == "wandb" or name in names]:
        monkeypatch.delitem(sys.modules, name)
    job.train(training_job(tiny_model, data, tmp_path, GIVEN))
    assert not set(names) & set(sys.modules)


def test_a_tracker_that_is_not_installed_is_refused_before_the_training(tiny_model, data, tmp_path, monkeypatch):
    monkeypatch.setattr(tracking.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(FeynTuneError, match=r"trackio is not installed; install it with .pip install trackio"):
        job.train(training_job(tiny_model, data, tmp_path, GIVEN, tracking=Tracking(report_to=["trackio"])))


def test_the_real_tensorboard_reads_what_was_written(tiny_model, data, tmp_path):
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    job.train(training_job(tiny_model, data, tmp_path, GIVEN, tracking=Tracking(report_to=["tensorboard"])))
    (folder,) = tmp_path.glob("results/tensorboard/small-*")
    events = reader.EventAccumulator(str(folder)).Reload()
    rows = {(event.step, name) for name in events.Tags()["scalars"] for event in events.Scalars(name)}
    assert rows == {(step, name) for step, name, _ in expected_rows(tmp_path)}


@pytest.mark.skipif(importlib.util.find_spec("trackio") is None, reason="needs trackio")
def test_the_real_trackio_stores_the_run(tiny_model, data, tmp_path, monkeypatch):
    monkeypatch.setenv("TRACKIO_DIR", "")  # so that it is set back after the test
    monkeypatch.delenv("TRACKIO_DIR")
    job.train(training_job(tiny_model, data, tmp_path, GIVEN, tracking=Tracking(report_to=["trackio"])))
    assert list((tmp_path / "results" / "trackio").glob("feyntune*.db"))
