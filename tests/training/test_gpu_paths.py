"""What training does on a GPU only, on a CPU: peft's branch under CUDA's autocast, and flash attention."""

import contextlib
import itertools
from types import SimpleNamespace
from unittest.mock import MagicMock

import numpy as np
import pytest
import torch

from feyntune.training import job, preparation, trainer
from support.small_training import settings, training_job

EVALUATION = {"times": 1, "test_rows": 4, "train_rows": 2, "control_prompts": 0}


def adapter(folder):
    from safetensors.numpy import load_file

    return load_file(folder / "adapter" / "adapter_model.safetensors")


def assert_close(one, other, atol):
    assert one.keys() == other.keys()
    for name in one:
        np.testing.assert_allclose(one[name], other[name], atol=atol, err_msg=name)


@pytest.mark.parametrize("use_dora", [False, True])
def test_pefts_branch_for_cuda_gives_the_same_adapter(tiny_model, data, tmp_path, monkeypatch, use_dora):
    """peft asks ``torch.is_autocast_enabled()``, which means CUDA, and if so does not convert its inputs to float32."""
    given = settings(
        lora={"dropout": 0, "use_dora": use_dora},
        precision={"dtype": "bfloat16"},
        training={"max_steps": 2, "evaluation": EVALUATION, "optimizer": {"learning_rate": 1e-3}},
    )
    job.train(training_job(tiny_model, data, tmp_path / "cpu", given))
    enabled, answers = torch.is_autocast_enabled, []

    def as_on_cuda(*device):
        if device:
            return enabled(*device)
        answers.append(enabled("cpu"))
        return answers[-1]

    monkeypatch.setattr(torch, "is_autocast_enabled", as_on_cuda)
    job.train(training_job(tiny_model, data, tmp_path / "cuda", given))
    assert True in answers
    assert_close(adapter(tmp_path / "cuda"), adapter(tmp_path / "cpu"), atol=5e-3)


def flash_attention(module, query, key, value, attention_mask, *, scaling, position_ids=None, **_):
    """Flash attention's rules in plain torch: it knows the bounds of sequences in a batch of one row, and no others."""
    assert attention_mask is None, "training uses no mask with flash attention"
    rows = query.shape[0]
    bounds = [0, query.shape[2]]
    if position_ids is not None and (position_ids == 0).sum() > rows:
        assert rows == 1, "several rows of packed abstracts would attend to each other"
        bounds = [*(position_ids[0] == 0).nonzero().flatten().tolist(), query.shape[2]]
    key, value = (states.repeat_interleave(module.num_key_value_groups, dim=1) for states in (key, value))
    parts = [
        torch.nn.functional.scaled_dot_product_attention(
            *(states[:, :, start:end] for states in (query, key, value)), is_causal=True, scale=scaling
        )
        for start, end in itertools.pairwise(bounds)
    ]
    flash_attention.calls.append(rows)
    return torch.cat(parts, dim=2).transpose(1, 2), None


def use_flash_attention(monkeypatch):
    """Let trainings on this machine use that function, as if flash attention were installed."""
    from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

    from feyntune.training import adapter

    load_adapted = adapter.load_adapted

    def with_flash_attention(*given):
        model = load_adapted(*given)
        model.config._attn_implementation = "flash_attention_2"
        return model

    flash_attention.calls = []
    monkeypatch.setitem(ALL_ATTENTION_FUNCTIONS._global_mapping, "flash_attention_2", flash_attention)
    monkeypatch.setattr(preparation, "attention", lambda *_: "flash_attention_2")
    monkeypatch.setattr(adapter, "load_adapted", with_flash_attention)


@pytest.mark.parametrize("limit", [None, 2])
def test_with_flash_attention_a_micro_batch_is_one_row(tiny_model, data, tmp_path, monkeypatch, limit):
    given = settings(
        lora={"dropout": 0}, training={"max_steps": 3, "evaluation": EVALUATION, "per_device_batch_size": limit}
    )
    job.train(training_job(tiny_model, data, tmp_path / "sdpa", given))
    with monkeypatch.context() as patch:
        use_flash_attention(patch)
        job.train(training_job(tiny_model, data, tmp_path / "flash", given))
    assert 1 in flash_attention.calls
    assert_close(adapter(tmp_path / "flash"), adapter(tmp_path / "sdpa"), atol=2e-4)


def test_several_packed_rows_into_flash_attention_are_noticed(tiny_model, data, tmp_path, monkeypatch):
    """The test above can fail."""
    use_flash_attention(monkeypatch)
    monkeypatch.setattr(preparation, "attention", lambda *_: "sdpa")
    given = settings(training={"max_steps": 3, "batch_size": 8, "evaluation": EVALUATION})
    with pytest.raises(AssertionError, match="several rows of packed abstracts"):
        job.train(training_job(tiny_model, data, tmp_path, given))


@pytest.mark.parametrize(("device", "copied"), [("cuda:1", [torch.device("cuda:1")]), ("cpu", [])])
def test_an_evaluation_copies_the_random_state_of_its_own_gpu_only(monkeypatch, device, copied):
    asked = []
    monkeypatch.setattr(torch.random, "fork_rng", lambda devices: asked.append(devices) or contextlib.nullcontext())
    training = MagicMock(args=SimpleNamespace(device=torch.device(device)))
    trainer.AdapterTrainer.evaluate(training)
    assert asked == [copied]
