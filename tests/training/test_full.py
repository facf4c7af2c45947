"""Full fine-tuning: the model folder, its arithmetic, resuming, and results that are kept."""

import json

import numpy as np
import pytest
import torch

from feyntune.core.errors import FeynTuneError
from feyntune.core.hashing import content_hash
from feyntune.models.tokens import load_tokens
from feyntune.training import full, job
from feyntune.training.trainer import AdapterTrainer
from support.small_training import settings, training_job

SHORT = {"max_steps": 4, "evaluation": {"times": 2, "test_rows": 3, "train_rows": 2, "control_prompts": 1}}


def given_of(**training):
    training = {"method": "full", "optimizer": {"learning_rate": 1e-3}, **SHORT, **training}
    return settings(quantization={"method": "none"}, target_modules=[], lora={}, training=training)


class StopError(Exception):
    """Simulates the death of the process."""


@pytest.fixture(scope="module")
def finished(tiny_model, data, tmp_path_factory):
    """Folder of an uninterrupted training."""
    folder = tmp_path_factory.mktemp("finished")
    job.train(training_job(tiny_model, data, folder, given_of()))
    return folder


def weights_of(folder):
    from safetensors.torch import load_file

    return load_file(folder / "model.safetensors")


def test_it_writes_an_ordinary_model_folder_that_says_something_else(finished, tiny_model):
    from transformers import AutoModelForCausalLM

    folder = finished / "adapter"
    names = {path.name for path in folder.iterdir()}
    assert {"model.safetensors", "config.json", "run.json", "history.parquet", "tokenizer.json"} <= names
    assert not any("adapter" in name for name in names)
    model, report = AutoModelForCausalLM.from_pretrained(folder, output_loading_info=True)
    assert not report["missing_keys"] and not report["unexpected_keys"]
    before = dict(AutoModelForCausalLM.from_pretrained(tiny_model).named_parameters())
    assert all(not torch.equal(weight, before[name]) for name, weight in model.named_parameters())
    ours, theirs = load_tokens(folder), load_tokens(tiny_model)
    assert (ours.context, ours.eos_ids) == (theirs.context, theirs.eos_ids)
    record = json.loads((folder / "run.json").read_text())
    assert "lora" not in record["settings"] and "target_modules" not in record["settings"]
    assert record["settings"]["training"]["method"] == "full" and record["measured"]["seconds"] > 0
    assert not (finished / "checkpoints").exists()


def test_resumed_equals_uninterrupted_to_the_bit(finished, tiny_model, data, tmp_path, monkeypatch):
    original, calls = AdapterTrainer.training_step, iter(range(10**6))

    def dies(self, *arguments, **others):
        if next(calls) == 3:
            raise StopError
        return original(self, *arguments, **others)

    with monkeypatch.context() as patch:
        patch.setattr(AdapterTrainer, "training_step", dies)
        with pytest.raises(StopError):
            job.train(training_job(tiny_model, data, tmp_path, given_of()))
    assert (tmp_path / "checkpoints/checkpoint-2/model.safetensors").is_file()
    job.train(training_job(tiny_model, data, tmp_path, given_of()))
    for name in ("model.safetensors", "config.json", "history.parquet"):
        assert (tmp_path / "adapter" / name).read_bytes() == (finished / "adapter" / name).read_bytes(), name


def test_a_step_is_that_of_plain_torch(tiny_model, data, tmp_path):
    """One step of gradient descent on the mean loss of the whole batch, computed one abstract at a time."""
    import pyarrow.parquet
    from transformers import AutoModelForCausalLM

    from feyntune.models.tokenizer import encode, load_tokenizer

    rate = 0.5
    optimizer = {"name": "sgd", "learning_rate": rate, "weight_decay": 0}
    schedule = {"name": "constant", "warmup_ratio": 0}
    evaluation = {"times": 1, "test_rows": 1, "train_rows": 0, "control_prompts": 0}
    training = {"max_steps": 1, "batch_size": 30, "max_grad_norm": 1e6, "optimizer": optimizer, "schedule": schedule}
    job.train(training_job(tiny_model, data, tmp_path, given_of(**training, evaluation=evaluation)))
    model = AutoModelForCausalLM.from_pretrained(tiny_model)
    texts = pyarrow.parquet.read_table(data / "train.parquet")["abstract"].to_pylist()
    sequences = encode(load_tokenizer(tiny_model), texts, eos=True)
    total = sum(len(sequence) - 1 for sequence in sequences)
    for sequence in sequences:
        tokens = torch.tensor([sequence])
        (model(input_ids=tokens, labels=tokens).loss * (len(sequence) - 1) / total).backward()
    found = weights_of(tmp_path / "adapter")
    for name, weight in model.named_parameters():
        expected = (weight - rate * weight.grad).detach()
        torch.testing.assert_close(found[name], expected, rtol=1e-4, atol=1e-5, msg=name)
        assert not torch.equal(found[name], weight.detach()), name


def test_steps_smaller_than_the_rounding_of_bfloat16_are_not_lost(tiny_model, data, tmp_path):
    """The rate is such that a step changes few numbers of bfloat16, and twelve steps change many."""
    given = given_of(max_steps=12, optimizer={"learning_rate": 1e-4, "weight_decay": 0}, schedule={"name": "constant"})
    given["precision"] = {"dtype": "bfloat16"}
    job.train(training_job(tiny_model, data, tmp_path, given))
    found, before = weights_of(tmp_path / "adapter"), weights_of(tiny_model)
    name = "model.layers.0.mlp.down_proj.weight"
    assert {weight.dtype for weight in found.values()} == {torch.bfloat16}
    assert json.loads((tmp_path / "adapter/config.json").read_text())["dtype"] == "bfloat16"
    moved = (found[name].float() - before[name].bfloat16().float()).abs()
    spacing = before[name].abs().log2().floor().exp2() / 128
    large = spacing > 4e-4  # more than twice a step: in bfloat16 each of them would be rounded away
    assert large.float().mean() > 0.5 and (moved[large] > 0).float().mean() > 0.3


def test_tied_weights_stay_tied(data, tmp_path):
    from transformers import AutoModelForCausalLM

    from support.models import save_random_llama

    base = save_random_llama(
        tmp_path / "tied", 1, hidden_size=32, num_attention_heads=2, num_key_value_heads=1, tie_word_embeddings=True
    )
    for dtype in ("float32", "bfloat16"):
        given = given_of(max_steps=2)
        given["precision"] = {"dtype": dtype}
        job.train(training_job(base, data, tmp_path / dtype, given))
        assert weights_of(tmp_path / dtype / "adapter").keys() == weights_of(base).keys()
        model = AutoModelForCausalLM.from_pretrained(tmp_path / dtype / "adapter")
        assert model.lm_head.weight is model.model.embed_tokens.weight


def test_a_finished_model_is_restored_whole_and_only_the_newest_is_kept(tiny_model, data, tmp_path):
    kept = tmp_path / "kept"
    first = training_job(tiny_model, data, tmp_path / "one", given_of(), kept=kept)
    job.train(first)
    again = training_job(tiny_model, data, tmp_path / "two", given_of(), kept=kept)
    job.train(again)
    assert content_hash(again.output) == content_hash(first.output)
    assert (again.output / "model.safetensors").stat().st_ino == (first.output / "model.safetensors").stat().st_ino
    job.train(training_job(tiny_model, data, tmp_path / "three", given_of(max_steps=3), kept=kept))
    assert len([path for path in kept.iterdir() if path.is_dir()]) == 1


def test_the_result_does_not_depend_on_micro_batches_and_recomputation(finished, tiny_model, data, tmp_path):
    given = given_of(per_device_batch_size=1, gradient_checkpointing=True)
    job.train(training_job(tiny_model, data, tmp_path, given))
    ours, theirs = weights_of(tmp_path / "adapter"), weights_of(finished / "adapter")
    for name, weight in ours.items():
        np.testing.assert_allclose(weight, theirs[name], atol=2e-4, err_msg=name)


def test_quantised_weights_are_refused_before_anything_is_read(tiny_model, data, tmp_path):
    given = given_of()
    given["quantization"] = {"method": "nf4"}
    with pytest.raises(FeynTuneError, match="method full changes base weights, which nf4 does not allow"):
        job.train(training_job(tiny_model, data, tmp_path, given))


def test_the_files_of_the_base_model_are_copied_but_not_its_records(tiny_model, tmp_path):
    for path in tiny_model.iterdir():
        (tmp_path / path.name).symlink_to(path)
    for name in ("run.json", "fetched.json", "model.safetensors.index.json", "chat_template.jinja"):
        (tmp_path / name).write_text("{}")
    names = full.published_files(tmp_path)
    assert names[-2:] == ["config.json", "model.safetensors"] and "chat_template.jinja" in names
    assert not {"run.json", "fetched.json", "model.safetensors.index.json"} & set(names)
