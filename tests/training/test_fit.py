"""A training fits itself to the memory: by prediction, and by dividing a step that ran out of memory."""

import json

import numpy as np
import pytest
import torch

from feyntune.config.schema.training import TrainingStage
from feyntune.core.errors import FeynTuneError
from feyntune.models.shape import shape_of
from feyntune.planning.memory import KNOWN
from feyntune.training import job
from feyntune.training.fit import (
    Demand,
    Fit,
    FitPlan,
    activation_bytes,
    free_bytes,
    largest_micro_batch,
    possible_fits,
)
from feyntune.training.microbatches import MicroBatches, order_steps
from feyntune.training.trainer import AdapterTrainer
from support.small_training import settings, training_job, weights

AUTO = {"per_device_batch_size": "auto", "gradient_checkpointing": "auto"}
LLAMA = KNOWN["meta-llama/Llama-3.1-8B"]


def training_settings(**training):
    return TrainingStage.model_validate(settings(training=training)).training


def test_by_default_a_training_fits_itself():
    from feyntune.config.schema.training import Training

    default = Training()
    assert (default.per_device_batch_size, default.gradient_checkpointing) == ("auto", "auto")


@pytest.mark.parametrize(
    "training, fits",
    [
        (AUTO, [(1, False), (2, False), (4, False), (1, True), (2, True), (4, True)]),
        ({"per_device_batch_size": "auto", "gradient_checkpointing": True}, [(1, True), (2, True), (4, True)]),
        ({"per_device_batch_size": 2, "gradient_checkpointing": "auto"}, [(2, False), (2, True)]),
        ({"per_device_batch_size": None, "gradient_checkpointing": False}, [(1, False)]),
        ({"per_device_batch_size": 3, "gradient_checkpointing": False}, [(2, False)]),
    ],
)
def test_settings_other_than_auto_are_kept(training, fits):
    assert possible_fits(training_settings(**training), 4) == [Fit(*fit) for fit in fits]


def llama_plan(free):
    """The paper's training: 16 abstracts of 180 tokens, and an adapter of 20 million weights."""
    demands = {}
    for fit in possible_fits(training_settings(**AUTO), 16):
        tokens = 2880 / fit.micro_batches
        demands[fit] = Demand(tokens, 1.1 * (12 * 20e6 + activation_bytes(LLAMA, 2, tokens, fit.recompute)))
    return FitPlan(demands, free)


@pytest.mark.parametrize(
    "gigabytes, fit",
    [(73, Fit(1, False)), (33, Fit(1, False)), (25, Fit(2, False)), (10, Fit(4, False)), (3, Fit(16, False)),
     (2.1, Fit(2, True)), (1.5, Fit(4, True)), (0.5, Fit(16, True))],
)  # fmt: skip
def test_the_fewest_micro_batches_without_recomputation_that_fit(gigabytes, fit):
    plan = llama_plan(gigabytes * 1e9)
    assert plan.current == fit
    assert plan.demand.memory <= gigabytes * 1e9 or fit == Fit(16, True)


def test_on_a_cpu_the_default_is_one_micro_batch_with_recomputation():
    assert llama_plan(None).current == Fit(1, True)


def test_a_division_that_fails_is_followed_by_those_that_need_less():
    plan, seen = llama_plan(80e9), []
    while plan.shrink():
        seen.append(plan.current)
    assert seen[:4] == [Fit(2, False), Fit(4, False), Fit(8, False), Fit(16, False)]
    assert seen[4:] == [Fit(count, True) for count in (2, 4, 8, 16)]  # one needs more
    assert plan.shrink() is False and plan.current == Fit(16, True)


def test_activations_are_those_of_the_design_document():
    with_recomputation, without = (activation_bytes(LLAMA, 2, 1e9, again) / 1e9 for again in (True, False))
    assert with_recomputation == pytest.approx(0.5e6, rel=0.1)
    assert without == pytest.approx(8e6, rel=0.1)


def test_the_shape_is_that_of_the_configuration():
    from transformers import AutoConfig

    gpt2 = shape_of(AutoConfig.for_model("gpt2", n_embd=64, n_layer=3, n_head=4, vocab_size=100))
    assert (gpt2.hidden_size, gpt2.intermediate_size, gpt2.num_hidden_layers, gpt2.vocab_size) == (64, 256, 3, 100)
    llama = shape_of(AutoConfig.for_model("llama", hidden_size=64, intermediate_size=100, num_key_value_heads=2))
    assert (llama.intermediate_size, llama.num_key_value_heads) == (100, 2)


@pytest.mark.parametrize("devices, per_device", [(1, 1), (1, 4), (2, 2), (4, 4)])
def test_the_largest_micro_batch_is_that_of_all_steps(devices, per_device):
    lengths = np.random.default_rng(0).integers(5, 300, 64)
    order = order_steps(lengths, 16, 10, seed=1)
    batches = MicroBatches([np.zeros(length, dtype=np.int32) for length in lengths], order, devices, 0, None)
    tokens = [
        int((batch["labels"] != -100).sum()) + 16 // (devices * per_device)
        for step in range(10)
        for device in range(devices)
        for batch in batches.of_step(step, device, per_device)
    ]
    assert largest_micro_batch(lengths, order, devices * per_device) == max(tokens)


def test_free_memory_counts_what_torch_holds_and_does_not_use(monkeypatch):
    assert free_bytes(torch.device("cpu")) is None
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (10_000, 80_000))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda _: 3_000)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda _: 2_000)
    assert free_bytes(torch.device("cuda", 0)) == 11_000


def abstracts_in(inputs):
    """Abstracts in a micro-batch: each has a first token without a label, and so has the padding of each row."""
    starts = (inputs["position_ids"] == 0).sum().item()
    return starts - sum(int(row[-1] == -100) for row in inputs["labels"])


def limit_memory(monkeypatch, limit, error=torch.OutOfMemoryError):
    """Let micro-batches of more than ``limit`` abstracts run out of memory, after they drew their dropout.

    With recomputation, twice as many fit.
    """
    original, seen = AdapterTrainer.compute_loss, []

    def compute_loss(self, model, inputs, *arguments, **others):
        loss = original(self, model, inputs, *arguments, **others)
        recompute = self.loss.model.is_activation_checkpointing
        seen.append((abstracts_in(inputs), recompute))
        if seen[-1][0] > limit * (1 + recompute):
            raise error("CUDA out of memory. Tried to allocate 2 GiB")
        return loss

    monkeypatch.setattr(AdapterTrainer, "compute_loss", compute_loss)
    return seen


def set_free_memory(monkeypatch, gigabytes):
    monkeypatch.setattr("feyntune.training.preparation.free_bytes", lambda _: gigabytes * 1e9)


def test_a_step_out_of_memory_is_divided_and_the_adapter_stays(tiny_model, data, tmp_path, monkeypatch, capsys):
    """To the bit, dropout included: the adapter of a training that was divided like this from its first step."""
    given = settings(training={"per_device_batch_size": 1, "gradient_checkpointing": False})
    job.train(training_job(tiny_model, data, tmp_path / "given", given))
    with monkeypatch.context() as patch:
        set_free_memory(patch, 80)
        seen = limit_memory(patch, 1)
        job.train(training_job(tiny_model, data, tmp_path / "auto", settings(training=AUTO)))
    assert [count for count, _ in seen[:6]] == [4, 2, 1, 1, 1, 1]
    assert weights(tmp_path / "auto") == weights(tmp_path / "given")
    output = capsys.readouterr().out
    assert "1 micro-batch a step without gradient checkpointing (0.0 of 80.0 GB), sdpa attention" in output
    assert "out of memory in step 1: repeating it with 2 micro-batches a step without gradient checkpointing" in output
    record = json.loads((tmp_path / "auto" / "adapter" / "run.json").read_text())
    assert (record["micro_batches_per_step"], record["gradient_checkpointing"]) == (4, False)
    assert [entry["micro_batches_per_device"] for entry in record["fits"]] == [1, 2, 4]
    assert all(entry["from_step"] == 0 for entry in record["fits"])
    padding = [
        json.loads((tmp_path / name / "adapter" / "run.json").read_text())["measured"] for name in ("auto", "given")
    ]
    assert padding[0]["padding_fraction"] == padding[1]["padding_fraction"]


def test_recomputation_is_the_last_resort_on_a_gpu(tiny_model, data, tmp_path, monkeypatch):
    set_free_memory(monkeypatch, 80)
    seen = limit_memory(monkeypatch, 0.5)
    job.train(training_job(tiny_model, data, tmp_path, settings(training=AUTO)))
    assert seen[:5] == [(4, False), (2, False), (1, False), (1, True), (1, True)]
    record = json.loads((tmp_path / "adapter" / "run.json").read_text())
    assert record["fits"][-1] == {"from_step": 0, "micro_batches_per_device": 4, "gradient_checkpointing": True}


def test_a_later_step_out_of_memory_loses_nothing(tiny_model, data, tmp_path, monkeypatch):
    """Not a step, an evaluation or a checkpoint; and a resumed training records what it was before."""
    whole = settings(lora={"dropout": 0}, training=AUTO)
    job.train(training_job(tiny_model, data, tmp_path / "whole", whole))
    original, calls = AdapterTrainer.compute_loss, iter(range(10**6))

    def fails_once(self, *arguments, **others):
        if next(calls) == 5:
            raise MemoryError
        return original(self, *arguments, **others)

    monkeypatch.setattr(AdapterTrainer, "compute_loss", fails_once)
    job.train(training_job(tiny_model, data, tmp_path / "divided", whole))
    record = json.loads((tmp_path / "divided" / "adapter" / "run.json").read_text())
    assert [(entry["from_step"], entry["micro_batches_per_device"]) for entry in record["fits"]] == [(0, 1), (5, 2)]
    from safetensors.numpy import load_file

    one, other = (load_file(tmp_path / name / "adapter/adapter_model.safetensors") for name in ("whole", "divided"))
    for name in one:
        np.testing.assert_allclose(one[name], other[name], atol=2e-4)


def test_when_nothing_is_left_the_error_has_one_line(tiny_model, data, tmp_path, monkeypatch):
    set_free_memory(monkeypatch, 80)
    seen = limit_memory(monkeypatch, 0)
    with pytest.raises(FeynTuneError, match=r"out of memory in a step of up to \d+ tokens; set training\.") as caught:
        job.train(training_job(tiny_model, data, tmp_path, settings(training=AUTO)))
    assert len(str(caught.value)) <= 200 and "\n" not in str(caught.value)
    assert seen == [(4, False), (2, False), (1, False), (1, True)]


def test_what_the_user_fixed_is_not_changed(tiny_model, data, tmp_path, monkeypatch):
    seen = limit_memory(monkeypatch, 2)
    given = settings(training={"per_device_batch_size": None, "gradient_checkpointing": False})
    with pytest.raises(FeynTuneError, match="out of memory"):
        job.train(training_job(tiny_model, data, tmp_path, given))
    assert seen == [(4, False)]


def test_other_errors_are_not_repeated(tiny_model, data, tmp_path, monkeypatch):
    seen = limit_memory(monkeypatch, 1, KeyError)
    with pytest.raises(KeyError, match="CUDA"):
        job.train(training_job(tiny_model, data, tmp_path, settings(training=AUTO)))
    assert len(seen) == 1


def test_a_resumed_training_may_fit_in_another_way(tiny_model, data, tmp_path, monkeypatch):
    """It was stopped on a large GPU and goes on on a small one; without dropout the adapter is the same."""
    given = settings(lora={"dropout": 0}, training={**AUTO, "checkpoint_minutes": 1e-9})
    job.train(training_job(tiny_model, data, tmp_path / "whole", given))

    class StopError(Exception):
        pass

    original, calls = AdapterTrainer.training_step, iter(range(10**6))

    def stops(self, *arguments, **others):
        if next(calls) == 4:
            raise StopError
        return original(self, *arguments, **others)

    with monkeypatch.context() as patch:
        set_free_memory(patch, 80)
        patch.setattr(AdapterTrainer, "training_step", stops)
        with pytest.raises(StopError):
            job.train(training_job(tiny_model, data, tmp_path / "resumed", given))
    set_free_memory(monkeypatch, 1e-6)
    job.train(training_job(tiny_model, data, tmp_path / "resumed", given))
    record = json.loads((tmp_path / "resumed" / "adapter" / "run.json").read_text())
    assert record["fits"] == [
        {"from_step": 0, "micro_batches_per_device": 1, "gradient_checkpointing": False},
        {"from_step": 4, "micro_batches_per_device": 4, "gradient_checkpointing": True},
    ]
    from safetensors.numpy import load_file

    one, other = (load_file(tmp_path / name / "adapter/adapter_model.safetensors") for name in ("whole", "resumed"))
    for name in one:
        np.testing.assert_allclose(one[name], other[name], atol=2e-4)


@pytest.mark.parametrize("gigabytes, prompts", [(80, 2), (1e-6, 1)])
def test_evaluations_need_no_more_memory_than_a_step(tiny_model, data, tmp_path, monkeypatch, gigabytes, prompts):
    """With little memory, prompts are completed one by one, and batches have no more tokens than micro-batches."""
    from feyntune.training import evaluation

    prompts_at_once, tokens, plans = [], [], []
    resize = evaluation.Evaluator.resize
    monkeypatch.setattr(evaluation.Evaluator, "resize", lambda self, fits: (plans.append(fits), resize(self, fits))[1])
    complete, losses = evaluation.complete, evaluation.negative_log_likelihoods
    monkeypatch.setattr(
        evaluation, "complete", lambda *given: (prompts_at_once.append(len(given[2])), complete(*given))[1]
    )
    monkeypatch.setattr(
        evaluation,
        "negative_log_likelihoods",
        lambda *given: (tokens.append((len(given[1]), sum(map(len, given[1])))), losses(*given))[1],
    )
    monkeypatch.setattr("feyntune.training.preparation.cache_bytes", lambda *_: 10**4 if gigabytes < 1 else 1)
    set_free_memory(monkeypatch, gigabytes)
    evaluations = {"times": 1, "test_rows": 8, "train_rows": 8, "control_prompts": 2}
    given = settings(training={**AUTO, "max_steps": 2, "evaluation": evaluations})
    job.train(training_job(tiny_model, data, tmp_path, given))
    assert set(prompts_at_once) == {prompts}
    assert all(count == 1 or total <= plans[-1].demand.tokens for count, total in tokens)
