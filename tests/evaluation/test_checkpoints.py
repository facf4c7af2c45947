"""Adapters of all evaluation steps on samples: one base model, values as of the evaluation programs, interruptions."""

import dataclasses
import math

import pyarrow.parquet
import pytest

from feyntune.config.schema.checkpoints import CheckpointsStage
from feyntune.config.schema.perplexity import PerplexityStage
from feyntune.core.errors import FeynTuneError
from feyntune.evaluation import checkpoints
from feyntune.evaluation.checkpoint_curves import best_step, curve_table
from feyntune.evaluation.checkpoint_metrics import Cell, Completed, judge, judged
from feyntune.evaluation.checkpoints import CheckpointsJob
from feyntune.evaluation.metrics.base import Column, Metric, MetricSettings
from feyntune.evaluation.perplexity import PerplexityJob
from feyntune.evaluation.perplexity import run as run_perplexity
from feyntune.evaluation.samples import Sample, sampled
from feyntune.evaluation.step_results import NOT_FINITE
from feyntune.models.adapter_archive import extract_step
from feyntune.training import job as training
from support.small_training import settings, training_job, write_data

IDS = [f"{number}" for number in range(50)]


def test_a_sample_depends_on_ids_only_and_another_id_moves_at_most_one():
    drawn = {IDS[place] for place in sampled(IDS, 10)}
    assert len(drawn) == 10
    assert sampled(IDS, 10) == sorted(sampled(IDS, 10))
    backwards = IDS[::-1]
    assert {backwards[place] for place in sampled(backwards, 10)} == drawn
    fewer = [name for name in IDS if name != "7"]
    assert len(drawn & {fewer[place] for place in sampled(fewer, 10)}) >= 9
    assert sampled(IDS[:3], 10) == [0, 1, 2]


STAGE = {
    "run": "small", "seed": 7, "limit": None, "abstracts": 4, "base_names": ["tiny"],
    "validation": "d/validation",
    "sets": {
        "d/validation": {"column": "abstract", "completed": False},
        "unseen": {"column": "abstract", "completed": True},
    },
    "quantization": {"method": "nf4"}, "precision": {"dtype": "float32"}, "perplexity": {},
    "generation": {"max_new_tokens": 6, "temperature": 0.7, "min_new_tokens": 2},
    "metrics": {"rouge": {"kind": "rouge"}, "repetition": {"kind": "repetition"}},
}  # fmt: skip
RECORD = {"steps": 9, "train_abstracts": 30, "settings": {"training": {"batch_size": 4}}}


def test_the_curve_has_means_standard_errors_and_the_best_step_by_validation_only():
    values = {
        Cell(0, "d/validation", "perplexity"): [1.0],
        Cell(3, "d/validation", "perplexity"): [4.0, 6.0],
        Cell(9, "d/validation", "perplexity"): [4.0, 8.0, None],
        Cell(3, "unseen", "perplexity"): [9.0],
        Cell(9, "unseen", "perplexity"): [2.0],
    }
    reasons = {Cell(9, "unseen", "rouge1"): "no words"}
    stage = CheckpointsStage.model_validate(STAGE)
    rows = curve_table(stage, RECORD, values, reasons).to_pylist()
    assert [(row["step"], row["set"], row["metric"]) for row in rows] == [
        (0, "d/validation", "perplexity"),
        (3, "d/validation", "perplexity"), (3, "unseen", "perplexity"),
        (9, "d/validation", "perplexity"), (9, "unseen", "perplexity"), (9, "unseen", "rouge1"),
    ]  # fmt: skip
    at_nine = rows[3]
    assert (at_nine["abstracts"], at_nine["mean"]) == (2, 6.0)
    assert at_nine["standard_error"] == pytest.approx(math.sqrt(8) / math.sqrt(2))  # deviation of 4 and 8, over root 2
    assert at_nine["epoch"] == pytest.approx(9 * 4 / 30)
    assert rows[0]["standard_error"] is None
    assert {row["step"] for row in rows if row["best"]} == {3}
    assert {row["step"] for row in rows if row["published"]} == {9}
    assert (rows[5]["mean"], rows[5]["abstracts"], rows[5]["reason"]) == (None, 0, "no words")
    kept = curve_table(stage, {**RECORD, "kept_step": 3}, values, reasons).to_pylist()
    assert {row["step"] for row in kept if row["published"]} == {3}


def test_without_a_finite_validation_perplexity_no_step_is_the_best():
    assert best_step({Cell(0, "d/validation", "perplexity"): [1.0]}, "d/validation") is None


class Fragile(Metric):
    """Words of a prediction; refuses to judge an empty one."""

    columns = (Column(name="words", title="Words", direction=None, lowest=0),)
    calls = 0

    def score(self, completions, reference):
        type(self).calls += 1
        if "" in completions.predictions:
            raise FeynTuneError("it is empty")
        return {"words": [len(text.split()) for text in completions.predictions]}


SAMPLE = Sample("unseen", ["a", "b"], ["one two", "three four"], [("one ", "two"), ("three ", "four")])


def test_a_metric_that_fails_for_a_step_has_values_for_the_others():
    predictions = {3: ["x", "x y"], 6: ["", "x"], 9: ["x y z", "x"]}
    completed = [Completed(step, SAMPLE, texts) for step, texts in predictions.items()]
    found = judge(Fragile(MetricSettings()), completed)
    assert [each if isinstance(each, str) else list(each["words"]) for each in found] == [[1, 2], "it is empty", [3, 1]]


def test_all_steps_are_judged_in_one_call():
    Fragile.calls = 0
    judge(Fragile(MetricSettings()), [Completed(step, SAMPLE, ["x", "y"]) for step in range(5)])
    assert Fragile.calls == 1


def test_a_model_that_diverged_has_reasons_instead_of_values():
    def row(step, name, perplexity, prediction, fault=None):
        numbers = {"perplexity": perplexity, "bits_per_byte": perplexity}
        return {"step": step, "set": name, "id": "a", **numbers, "prediction": prediction, "fault": fault}

    rows = [
        row(3, "d/validation", 5.0, None), row(3, "unseen", 4.0, "of the theory of the theory"),
        row(6, "d/validation", math.nan, None), row(6, "unseen", math.nan, None, NOT_FINITE),
    ]  # fmt: skip
    one = Sample("unseen", ["a"], ["one two"], [("one ", "two")])
    samples = [Sample("d/validation", ["a"], ["one"], None), one]
    values, reasons = judged(CheckpointsStage.model_validate(STAGE), {}, None, samples, pyarrow.Table.from_pylist(rows))
    assert {cell.step for cell in values} == {3}
    assert set(reasons.values()) == {NOT_FINITE}
    assert {cell.step for cell in reasons} == {6}
    assert {cell.quantity for cell in values} == {cell.quantity for cell in reasons}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_data(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def adapters(tiny_model, data, tmp_path_factory):
    """Folder of a training with an archive of its adapters after steps 3, 6 and 9."""
    folder = tmp_path_factory.mktemp("trained")
    given = settings(lora={"bias": "all"})  # so that an adapter changes the base model
    training.train(training_job(tiny_model, data, folder, given, archive=folder / "adapter" / "checkpoints.zip"))
    return folder / "adapter"


def checkpoints_job(base, data, adapters, folder, **changes):
    files = {"d/validation": data / "validation.parquet", "unseen": data / "test.parquet"}
    given = CheckpointsJob(
        stage=CheckpointsStage.model_validate(STAGE), base=base, archive=adapters / "checkpoints.zip",
        record=adapters / "run.json", files=files, models={}, training=None, shards=folder / "shards",
        output=folder / "curves.parquet", code="tests",
    )  # fmt: skip
    return dataclasses.replace(given, **changes)


@pytest.fixture(scope="module")
def finished(tiny_model, data, adapters, tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished")
    checkpoints.run(checkpoints_job(tiny_model, data, adapters, folder))
    return folder / "curves.parquet"


def test_every_step_has_every_quantity_on_every_set(finished):
    rows = pyarrow.parquet.read_table(finished).to_pylist()
    assert list(dict.fromkeys(row["step"] for row in rows)) == [0, 3, 6, 9]
    quantities = {row["metric"] for row in rows if row["set"] == "unseen"}
    assert {"perplexity", "bits_per_byte"} < quantities
    assert any(name.startswith("rouge") for name in quantities)
    assert len(rows) == 4 * (2 + len(quantities))
    assert all(row["reason"] is None and row["abstracts"] <= 4 for row in rows)
    assert all(row["abstracts"] == 4 for row in rows if row["metric"] == "perplexity")


def perplexities(base, adapter, dataset, folder):
    """Perplexities by id, as `perplexity.py` computes them."""
    shared = {name: STAGE[name] for name in ("run", "limit", "base_names", "quantization", "precision", "perplexity")}
    stage = PerplexityStage.model_validate(shared)
    outputs = folder / "perplexity.parquet", folder / "embeddings.pt"
    run_perplexity(PerplexityJob(stage, base, adapter, dataset, folder / "shards", *outputs, "tests"))
    table = pyarrow.parquet.read_table(outputs[0])
    return dict(zip(table["id"].to_pylist(), table["perplexity"].to_pylist(), strict=True))


@pytest.mark.parametrize("step", [0, 6, 9])
def test_perplexities_are_those_of_the_model_of_the_step(tiny_model, data, adapters, finished, tmp_path, step):
    """The third adapter takes the places of the second one, biases included; step 0 is not touched by any."""
    adapter = tmp_path / "adapter" if step else None
    if adapter:
        extract_step(adapters / "checkpoints.zip", step, adapter)
    by_id = perplexities(tiny_model, adapter, data / "test.parquet", tmp_path)
    ids = list(by_id)
    drawn = [by_id[ids[place]] for place in sampled(ids, 4)]
    rows = pyarrow.parquet.read_table(finished).to_pylist()
    (row,) = [row for row in rows if (row["step"], row["set"], row["metric"]) == (step, "unseen", "perplexity")]
    assert row["mean"] == pytest.approx(sum(drawn) / 4, rel=1e-4)


def test_interrupted_equals_uninterrupted_and_finished_steps_are_not_repeated(
    tiny_model, data, adapters, finished, tmp_path, monkeypatch
):
    done, evaluate = [], checkpoints.evaluate_step

    def counted(model, step, *given):
        if step == 6 and 6 not in done:
            done.append(6)
            raise KeyboardInterrupt
        done.append(step)
        return evaluate(model, step, *given)

    monkeypatch.setattr(checkpoints, "evaluate_step", counted)
    job = checkpoints_job(tiny_model, data, adapters, tmp_path)
    with pytest.raises(KeyboardInterrupt):
        checkpoints.run(job)
    checkpoints.run(job)
    assert done == [0, 3, 6, 6, 9]
    assert (tmp_path / "curves.parquet").read_bytes() == finished.read_bytes()
    assert not (tmp_path / "shards").exists()


def test_a_result_is_kept_unless_a_metric_is_missing(tiny_model, data, adapters, finished, tmp_path, monkeypatch):
    job = checkpoints_job(tiny_model, data, adapters, tmp_path, kept=tmp_path / "kept")
    missing = {Cell(3, "unseen", "perplexity"): "a reason"}
    table = pyarrow.table({"step": [0]})
    monkeypatch.setattr(checkpoints, "evaluate_steps", lambda *_: table)
    monkeypatch.setattr(checkpoints, "judged", lambda *_: ({}, missing))
    checkpoints.run(job)
    assert not (tmp_path / "kept").exists()
    monkeypatch.setattr(checkpoints, "judged", lambda *_: ({Cell(3, "unseen", "perplexity"): [1.0]}, {}))
    checkpoints.run(job)
    monkeypatch.setattr(checkpoints, "evaluate_steps", lambda *_: pytest.fail("it computes again"))
    job.output.unlink()
    checkpoints.run(job)
    assert job.output.exists()
