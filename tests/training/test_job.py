"""The training loop in this process: its arithmetic, its interruptions, and its results."""

import dataclasses
import json

import numpy as np
import pyarrow.parquet
import pytest
import torch

from feyntune.core.errors import FeynTuneError, StoppedInTime
from feyntune.models.tokenizer import load_tokenizer
from feyntune.training import checkpoints, job
from feyntune.training.data import encode_abstracts
from feyntune.training.microbatches import IGNORED, collate, distribute, pack
from support.small_training import settings, training_job, weights, write_data


@pytest.fixture(scope="module")
def finished(tiny_model, data, tmp_path_factory):
    """Folder of an uninterrupted training."""
    folder = tmp_path_factory.mktemp("finished")
    job.train(training_job(tiny_model, data, folder))
    return folder


@pytest.fixture(scope="module")
def sequences(tiny_model, abstracts):
    return encode_abstracts(load_tokenizer(tiny_model), abstracts[1], 256, "refuse", "here")[0]


def model_with(tiny_model, attention, dtype="float32"):
    from feyntune.config.schema.models import Precision, Quantization
    from feyntune.models.load import load_base

    return load_base(tiny_model, Quantization(method="none"), Precision(dtype=dtype, attention=attention))


def gradient(model, batches, **more):
    """Loss (sum over batches) and gradient of one matrix."""
    model.zero_grad()
    losses = []
    for batch in batches:
        loss = model(**batch, use_cache=False, **more).loss
        loss.backward()
        losses.append(loss.item())
    return sum(losses), model.model.layers[0].self_attn.q_proj.weight.grad.clone()


def packed(sequences, rows):
    import torch

    return {name: torch.from_numpy(array) for name, array in collate(sequences, rows, pad_id=1).items()}


def padded(sequences):
    """An ordinary batch: padded on the right, with an attention mask and labels by length."""
    import torch

    width = max(map(len, sequences))
    tokens = torch.tensor([[*sequence.tolist(), *[1] * (width - len(sequence))] for sequence in sequences])
    mask = torch.tensor([[1] * len(sequence) + [0] * (width - len(sequence)) for sequence in sequences])
    return {"input_ids": tokens, "attention_mask": mask, "labels": tokens.masked_fill(mask == 0, IGNORED)}


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("hidden_size", [1, 10**6, None])
def test_the_loss_of_a_packed_batch_equals_that_of_its_abstracts_one_by_one(
    tiny_model, sequences, attention, hidden_size
):
    model = model_with(tiny_model, attention)
    rows = pack([len(sequence) for sequence in sequences], hidden_size)
    tokens = sum(len(sequence) - 1 for sequence in sequences)
    together, gradient_together = gradient(model, [packed(sequences, rows)], num_items_in_batch=tokens)
    alone, gradient_alone = gradient(model, [padded([sequence]) for sequence in sequences], num_items_in_batch=tokens)
    assert together == pytest.approx(alone, rel=1e-5)
    np.testing.assert_allclose(gradient_together, gradient_alone, rtol=1e-3, atol=1e-5)


def test_a_packed_step_equals_a_padded_batch(tiny_model, sequences):
    model = model_with(tiny_model, "sdpa")
    ours = gradient(model, [packed(sequences, pack([len(sequence) for sequence in sequences], 64))])
    theirs = gradient(model, [padded(sequences)])
    assert ours[0] == pytest.approx(theirs[0], rel=1e-5)
    np.testing.assert_allclose(ours[1], theirs[1], rtol=1e-3, atol=1e-5)


def test_accumulated_gradients_equal_those_of_one_batch(tiny_model, sequences):
    model = model_with(tiny_model, "sdpa")
    lengths = np.array([len(sequence) for sequence in sequences])
    parts = [[sequences[item] for item in part] for part in distribute(lengths, 3)]
    batches = [packed(part, pack([len(sequence) for sequence in part], 64)) for part in parts]
    tokens = int(sum((batch["labels"] != IGNORED).sum() for batch in batches))
    accumulated = gradient(model, batches, num_items_in_batch=tokens)
    whole = gradient(model, [packed(sequences, pack(lengths.tolist(), 64))], num_items_in_batch=tokens)
    assert accumulated[0] == pytest.approx(whole[0], rel=1e-5)
    np.testing.assert_allclose(accumulated[1], whole[1], rtol=1e-3, atol=1e-5)


def adapter_of(folder):
    from safetensors.numpy import load_file

    return load_file(folder / "adapter" / "adapter_model.safetensors")


def assert_close(ours, theirs, atol):
    assert ours.keys() == theirs.keys()
    for name in ours:
        np.testing.assert_allclose(ours[name], theirs[name], atol=atol, err_msg=name)


def test_an_adapter_does_not_depend_on_the_micro_batches(tiny_model, data, tmp_path):
    for limit in (4, 2, 1):
        given = settings(lora={"dropout": 0}, training={"per_device_batch_size": limit})
        job.train(training_job(tiny_model, data, tmp_path / str(limit), given))
    for limit in (2, 1):
        assert_close(adapter_of(tmp_path / str(limit)), adapter_of(tmp_path / "4"), atol=2e-4)


def test_equal_settings_give_equal_adapters_to_the_bit(tiny_model, data, finished, tmp_path):
    import torch

    torch.manual_seed(999)  # the state of the process does not matter
    job.train(training_job(tiny_model, data, tmp_path))
    assert weights(tmp_path) == weights(finished)
    for name in ("adapter_config.json", "history.parquet"):
        assert (tmp_path / "adapter" / name).read_bytes() == (finished / "adapter" / name).read_bytes()
    records = [json.loads((folder / "adapter" / "run.json").read_text()) for folder in (tmp_path, finished)]
    assert {**records[0], "measured": None} == {**records[1], "measured": None}


def test_another_seed_gives_another_adapter(tiny_model, data, finished, tmp_path):
    job.train(training_job(tiny_model, data, tmp_path, settings(seed=8)))
    assert weights(tmp_path) != weights(finished)


def test_the_output_folder_contains_the_results_only(finished):
    names = ["adapter_config.json", "adapter_model.safetensors", "history.parquet", "run.json"]
    assert sorted(path.name for path in (finished / "adapter").iterdir()) == names
    assert not (finished / "checkpoints").exists()
    config = json.loads((finished / "adapter" / "adapter_config.json").read_text())
    assert (config["base_model_name_or_path"], config["r"], config["inference_mode"]) == ("tiny", 4, True)
    assert config["target_modules"] == ["down_proj", "q_proj", "v_proj"]


def test_peft_loads_the_adapter_and_it_changes_the_model(tiny_model, finished):
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    base = AutoModelForCausalLM.from_pretrained(tiny_model)
    tokens = torch.tensor([[0, 5, 6, 7]])
    before = base(input_ids=tokens).logits
    adapted = PeftModel.from_pretrained(base, finished / "adapter")
    assert not torch.allclose(adapted(input_ids=tokens).logits, before)


def test_history_has_every_step_and_every_evaluation(finished):
    history = pyarrow.parquet.read_table(finished / "adapter" / "history.parquet").to_pylist()
    assert [row["step"] for row in history] == list(range(10))
    assert history[9]["epoch"] == pytest.approx(9 * 4 / 30)
    assert all(row["loss"] > 0 and row["grad_norm"] > 0 for row in history[1:])
    assert history[0]["loss"] is None
    rates = [row["learning_rate"] for row in history[1:]]
    assert rates[0] == 0 and max(rates) == pytest.approx(1e-2) == rates[1]
    evaluated = [row for row in history if row["test_loss"] is not None]
    assert [row["step"] for row in evaluated] == [0, 3, 6, 9]
    assert evaluated[-1]["test_perplexity"] < evaluated[0]["test_perplexity"]
    assert all(row["train_loss"] > 0 and row["train_perplexity"] > 1 for row in evaluated)
    completed = [[paper["id"] for paper in row["control_prompts"]] for row in evaluated]
    assert completed == [["control_prompts0", "control_prompts1"]] * len(evaluated)
    assert all(row["control_prompts"] is None and row["train_loss"] is None for row in history if row not in evaluated)


def test_run_json_has_settings_provenance_and_costs(finished):
    record = json.loads((finished / "adapter" / "run.json").read_text())
    assert record["settings"]["training"]["batch_size"] == 4
    assert record["tokens"]["training"] == "BOS text EOS"
    assert {"libraries", "revision", "device", "attention", "steps", "train_tokens", "too_long"} <= record.keys()
    measured = record["measured"]
    assert measured["tokens_per_second"] > 0
    assert measured["peak_memory_mb"] > 0
    assert 0 < measured["padding_fraction"] < 0.08
    assert 0 < measured["evaluation_fraction"] < 1


def test_padding_fraction_counts_all_micro_batches(tiny_model, data, finished):
    """Compared with the micro-batches of all steps."""
    from feyntune.training.microbatches import MicroBatches, order_steps

    record = json.loads((finished / "adapter" / "run.json").read_text())
    texts = pyarrow.parquet.read_table(data / "train.parquet")["abstract"].to_pylist()
    sequences, _ = encode_abstracts(load_tokenizer(tiny_model), texts, 256, "refuse", "here")
    lengths = np.array([len(sequence) for sequence in sequences])
    order = order_steps(lengths, 4, 9, seed=7)
    batches = MicroBatches(sequences, order, 1, pad_id=1, hidden_size=32)
    computed = sum(batch["input_ids"].numel() for step in range(9) for batch in batches.of_step(step, 0, 1))
    assert record["train_tokens"] == lengths[order].sum()
    assert record["measured"]["padding_fraction"] == pytest.approx(1 - lengths[order].sum() / computed, abs=1e-4)


def fast_clock(seconds, monkeypatch):
    """Make the clock of the checkpoint callback advance by so many seconds at each reading."""
    ticks = iter(range(10**6))
    monkeypatch.setattr("feyntune.training.callbacks.time", _Clock(lambda: next(ticks) * seconds))


class _Clock:
    def __init__(self, monotonic):
        self.monotonic = monotonic


def test_stopped_and_resumed_equals_uninterrupted_to_the_bit(tiny_model, data, finished, tmp_path, monkeypatch):
    reached = []
    with monkeypatch.context() as patch:
        for _ in range(2):
            fast_clock(600, patch)
            with pytest.raises(StoppedInTime, match=r"at step [1-8] of 9; the progress is saved") as caught:
                job.train(training_job(tiny_model, data, tmp_path, time_limit=60))
            reached.append(str(caught.value))
            assert not (tmp_path / "adapter").exists()
    assert reached[0] != reached[1]
    assert caught.value.exit_code == 75
    job.train(training_job(tiny_model, data, tmp_path))
    assert weights(tmp_path) == weights(finished)
    for name in ("history.parquet", "adapter_config.json"):
        assert (tmp_path / "adapter" / name).read_bytes() == (finished / "adapter" / name).read_bytes()


def test_checkpoints_by_time_change_nothing(tiny_model, data, finished, tmp_path, monkeypatch):
    from feyntune.training import trainer

    saved, seal = [], trainer.checkpoints.seal
    monkeypatch.setattr(trainer.checkpoints, "seal", lambda path: (saved.append(path.name), seal(path)))
    given = settings(training={"checkpoint_minutes": 1e-9})
    job.train(training_job(tiny_model, data, tmp_path, given))
    assert saved == [f"checkpoint-{step}" for step in range(1, 10)]
    assert weights(tmp_path) == weights(finished)


class Died(Exception):
    """Simulates the death of the process."""


def dies_at(step, monkeypatch, where):
    """Make the training die when ``where`` is reached for the ``step``-th time."""
    from feyntune.training.trainer import AdapterTrainer

    calls = iter(range(1, 10**6))
    original = getattr(AdapterTrainer, where)

    def dying(self, *arguments, **others):
        if next(calls) == step:
            raise Died
        return original(self, *arguments, **others)

    monkeypatch.setattr(AdapterTrainer, where, dying)


@pytest.mark.parametrize("where, step", [("training_step", 8), ("evaluate", 3), ("_save_rng_state", 2), ("_save", 3)])
def test_died_anywhere_and_resumed_equals_uninterrupted_to_the_bit(
    tiny_model, data, finished, tmp_path, monkeypatch, where, step
):
    with monkeypatch.context() as patch:
        dies_at(step, patch, where)
        with pytest.raises(Died):
            job.train(training_job(tiny_model, data, tmp_path))
    assert not (tmp_path / "adapter").exists()
    job.train(training_job(tiny_model, data, tmp_path))
    assert weights(tmp_path) == weights(finished)


def test_a_disk_that_fills_up_names_the_checkpoint_and_loses_no_progress(
    tiny_model, data, finished, tmp_path, monkeypatch
):
    def full(*_):
        raise RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 704 vs 598")

    with monkeypatch.context() as patch:
        saved = iter(range(1, 10**6))
        original = torch.save
        patch.setattr(torch, "save", lambda *given, **more: full() if next(saved) > 4 else original(*given, **more))
        with pytest.raises(FeynTuneError, match=r"checkpoint-\d+: cannot be written: the disk is full"):
            job.train(training_job(tiny_model, data, tmp_path))
    whole = checkpoints.newest_complete(tmp_path / "checkpoints")
    assert 0 < checkpoints.step_of(whole) < 9
    job.train(training_job(tiny_model, data, tmp_path))
    assert weights(tmp_path) == weights(finished)


def test_died_while_publishing_repeats_no_step(tiny_model, data, finished, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("feyntune.training.record.write_table", lambda *_: (_ for _ in ()).throw(Died))
        with pytest.raises(Died):
            job.train(training_job(tiny_model, data, tmp_path))
        assert not (tmp_path / "adapter" / "adapter_model.safetensors").exists()
    with monkeypatch.context() as patch:
        dies_at(1, patch, "training_step")
        job.train(training_job(tiny_model, data, tmp_path))
    assert weights(tmp_path) == weights(finished)


def test_other_settings_start_from_the_beginning(tiny_model, data, tmp_path, monkeypatch, capsys):
    with monkeypatch.context() as patch:
        dies_at(8, patch, "training_step")
        with pytest.raises(Died):
            job.train(training_job(tiny_model, data, tmp_path))
    given = settings(training={"optimizer": {"learning_rate": 5e-3}})
    job.train(training_job(tiny_model, data, tmp_path, given))
    assert "starting from the beginning" in capsys.readouterr().out
    job.train(training_job(tiny_model, data, tmp_path / "fresh", given))
    assert weights(tmp_path) == weights(tmp_path / "fresh")


def test_a_changed_model_starts_from_the_beginning(tiny_model, data, tmp_path):
    (tmp_path / "checkpoints").mkdir()
    first = job._newest_checkpoint(training_job(tiny_model, data, tmp_path))
    (tmp_path / "base").mkdir()
    for path in tiny_model.iterdir():
        (tmp_path / "base" / path.name).write_bytes(path.read_bytes())
    assert job._newest_checkpoint(training_job(tmp_path / "base", data, tmp_path))[1] == first[1]
    with open(tmp_path / "base" / "model.safetensors", "r+b") as file:
        file.seek(-1, 2)
        file.write(b"\x01")
    assert job._newest_checkpoint(training_job(tmp_path / "base", data, tmp_path))[1] != first[1]


def test_a_diverged_training_stops(tiny_model, data, tmp_path):
    # Beyond what the configuration allows, so that the loss overflows within a few steps.
    diverging = training_job(tiny_model, data, tmp_path, settings())
    steep = diverging.settings.training.optimizer.model_copy(update={"learning_rate": 1e30})
    training = diverging.settings.training.model_copy(update={"optimizer": steep, "max_grad_norm": 1e30})
    stage = diverging.settings.model_copy(update={"training": training})
    with pytest.raises(FeynTuneError, match=r"the loss is (nan|inf) at step \d+; lower .*learning_rate"):
        job.train(dataclasses.replace(diverging, settings=stage))
    assert not (tmp_path / "adapter").exists()


@pytest.mark.parametrize(
    "changes",
    [
        {"lora": {"use_dora": True}},
        {"lora": {"use_rslora": True, "bias": "lora_only"}},
        {"quantization": {"method": "fp4", "double": False}},
        {"quantization": {"method": "none"}},
        {"precision": {"dtype": "bfloat16", "attention": "eager"}},
        {"training": {"gradient_checkpointing": True}},
        {"training": {"optimizer": {"name": "adafactor"}, "schedule": {"name": "linear"}}},
        {"training": {"optimizer": {"name": "sgd", "arguments": {"momentum": 0.9}}, "schedule": {"name": "constant"}}},
    ],
    ids=str,
)
def test_every_setting_trains(tiny_model, data, tmp_path, changes):
    training = {"max_steps": 2, "evaluation": {"times": 1, "test_rows": 2, "train_rows": 0, "control_prompts": 0}}
    job.train(
        training_job(
            tiny_model, data, tmp_path, settings(**{**changes, "training": {**training, **changes.get("training", {})}})
        )
    )
    history = pyarrow.parquet.read_table(tmp_path / "adapter" / "history.parquet").to_pylist()
    assert len(history) == 3 and history[2]["test_loss"] > 0 and history[2]["train_loss"] is None


def test_gradient_checkpointing_changes_only_the_memory(tiny_model, data, finished, tmp_path):
    job.train(training_job(tiny_model, data, tmp_path, settings(training={"gradient_checkpointing": True})))
    assert_close(adapter_of(tmp_path), adapter_of(finished), atol=2e-4)


def test_evaluation_does_not_change_four_bit_weights(tiny_model):
    import torch

    from feyntune.config.schema.models import Precision, Quantization
    from feyntune.models.load import load_base

    model = load_base(tiny_model, Quantization(method="nf4"), Precision(dtype="float32")).eval()
    weight = model.model.layers[0].self_attn.q_proj.weight
    before = weight.data.clone(), weight.quant_state.absmax.clone()
    with torch.no_grad():
        model(input_ids=torch.tensor([[0, 5, 6, 7]]))
    after = weight.data, weight.quant_state.absmax
    assert all(torch.equal(one, other) for one, other in zip(before, after, strict=True))


def test_a_training_with_settings_set_back_is_restored_in_no_time(tiny_model, data, tmp_path, monkeypatch, capsys):
    fast = settings(training={"max_steps": 2})
    other = settings(training={"max_steps": 2, "optimizer": {"learning_rate": 1e-3}})
    job.train(training_job(tiny_model, data, tmp_path, fast, kept=tmp_path / "kept"))
    before = {path.name: path.read_bytes() for path in (tmp_path / "adapter").iterdir()}
    job.train(training_job(tiny_model, data, tmp_path, other, kept=tmp_path / "kept"))
    assert weights(tmp_path) != before["adapter_model.safetensors"]
    monkeypatch.setattr(job, "prepare", None)  # nothing is read or trained
    job.train(training_job(tiny_model, data, tmp_path, fast, kept=tmp_path / "kept"))
    assert {path.name: path.read_bytes() for path in (tmp_path / "adapter").iterdir()} == before
    assert "restored from" in capsys.readouterr().out
    with pytest.raises(TypeError):  # other data
        job.train(training_job(tiny_model, write_data(tmp_path, rows=31), tmp_path, fast, kept=tmp_path / "kept"))
