"""The chunked loss equals the plain one, and never holds all logits."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from feyntune.training import loss
from feyntune.training.loss import NextTokenLoss, has_plain_head, linear_cross_entropy
from feyntune.training.microbatches import IGNORED

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    """Chunks of three tokens for a vocabulary of 50."""
    monkeypatch.setattr(loss, "LOGITS_AT_ONCE", 150)
    monkeypatch.setattr("feyntune.models.likelihood.LOGITS_AT_ONCE", 150)


def inputs_of(bias, trained, dtype=torch.float32):
    torch.manual_seed(0)
    hidden = torch.randn(20, 8, dtype=dtype).requires_grad_()
    weight = torch.randn(50, 8, dtype=dtype).requires_grad_(trained)
    offset = torch.randn(50, dtype=dtype).requires_grad_(trained) if bias else None
    targets = torch.randint(50, (20,))
    targets[[0, 7, 19]] = IGNORED
    return hidden, weight, offset, targets


def gradients(function, given):
    for tensor in given[:3]:
        if tensor is not None:
            tensor.grad = None
    result = function(*given)
    (result / 17).backward()
    return result.detach(), [tensor.grad for tensor in given[:3] if tensor is not None and tensor.requires_grad]


def plain(hidden, weight, bias, targets):
    logits = torch.nn.functional.linear(hidden, weight, bias).float()
    return torch.nn.functional.cross_entropy(logits, targets, ignore_index=IGNORED, reduction="sum")


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("trained", [False, True])
def test_loss_and_gradients_equal_the_plain_ones(bias, trained):
    given = inputs_of(bias, trained)
    (ours, our_gradients), (theirs, their_gradients) = gradients(linear_cross_entropy, given), gradients(plain, given)
    torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-6)
    assert len(our_gradients) == len(their_gradients) == 1 + trained * (1 + bias)
    for one, other in zip(our_gradients, their_gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-6)


def test_under_autocast_the_products_are_in_bfloat16_as_in_the_plain_loss():
    given = inputs_of(bias=False, trained=True)
    with torch.autocast("cpu", torch.bfloat16):
        (ours, our_gradients), (theirs, their_gradients) = (
            gradients(linear_cross_entropy, given), gradients(plain, given)
        )  # fmt: skip
    exact = gradients(plain, given)[0]
    assert ours.item() == pytest.approx(theirs.item(), rel=1e-6) and ours != exact
    for one, other in zip(our_gradients, their_gradients, strict=True):
        assert one.dtype is torch.float32
        torch.testing.assert_close(one, other, rtol=3e-2, atol=3e-3)


def test_a_batch_without_labels_has_no_loss_and_no_gradient():
    hidden, weight, _, targets = inputs_of(bias=False, trained=True)
    total, (of_hidden, of_weight) = gradients(
        linear_cross_entropy, (hidden, weight, None, torch.full_like(targets, IGNORED))
    )
    assert total == 0 and not of_hidden.any() and not of_weight.any()


def model_of(kind="llama", **settings):
    from transformers import AutoConfig, AutoModelForCausalLM

    torch.manual_seed(0)
    sizes = {"vocab_size": 50, "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2}
    config = AutoConfig.for_model(kind, **sizes, num_attention_heads=2, num_key_value_heads=2, head_dim=8, **settings)
    return AutoModelForCausalLM.from_config(config)


def batch():
    tokens = torch.randint(50, (2, 12), generator=torch.Generator().manual_seed(1))
    labels = tokens.clone()
    labels[:, 0] = labels[1, 8:] = IGNORED
    return {"input_ids": tokens, "position_ids": torch.arange(12).expand(2, 12), "labels": labels}


@pytest.mark.parametrize(
    "kind, settings, chunked",
    [
        ("llama", {}, True),
        ("llama", {"tie_word_embeddings": True}, True),
        ("qwen2", {}, True),
        ("gemma2", {}, False),
        ("granite", {"logits_scaling": 2.0}, False),
        ("cohere", {"logit_scale": 0.5}, False),
    ],
)
def test_a_models_loss_equals_its_own_and_falls_back_where_logits_are_changed(kind, settings, chunked):
    model = model_of(kind, pad_token_id=0, **settings)
    assert has_plain_head(model) is chunked and model.training
    given, counted = batch(), 11 + 7
    ours = NextTokenLoss(model).total(dict(given)) / counted
    ours.backward()
    our_gradient = model.get_input_embeddings().weight.grad.clone()
    model.zero_grad()
    theirs = model(**given).loss
    theirs.backward()
    torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(our_gradient, model.get_input_embeddings().weight.grad, rtol=1e-4, atol=1e-7)
    texts = [given["input_ids"][0].tolist(), given["input_ids"][1, :8].tolist()]
    by_token = NextTokenLoss(model).by_token(texts)
    assert [len(losses) for losses in by_token] == [11, 7]
    torch.testing.assert_close(
        sum(losses.sum() for losses in by_token) / counted, theirs.detach(), rtol=1e-5, atol=1e-6
    )


def test_liger_replaces_the_chunks_on_a_gpu(monkeypatch):
    calls = []

    class OnGpu:
        device, is_cuda = torch.device("cuda"), True

        def to(self, dtype):
            calls.append(dtype)
            return self

    monkeypatch.setattr(loss, "_liger", lambda: lambda *given: given)
    hidden, weight, targets = OnGpu(), torch.zeros(3, 2, dtype=torch.bfloat16), torch.zeros(1)
    result = linear_cross_entropy(hidden, weight, None, targets)
    assert result[1:] == (hidden, targets, None) and result[0] is weight and calls == [torch.bfloat16]


PEAK = """
import resource, sys
sys.path.insert(0, {scripts!r})
import torch
from transformers import LlamaConfig, LlamaForCausalLM
from feyntune.training.loss import NextTokenLoss

config = LlamaConfig(vocab_size=150_000, hidden_size=8, intermediate_size=16, num_hidden_layers=1,
                     num_attention_heads=1, num_key_value_heads=1, max_position_embeddings=2048)
model = LlamaForCausalLM(config)
ids = torch.randint(150_000, (1, 1500))
loss = NextTokenLoss(model)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
loss.total({{"input_ids": ids, "labels": ids}}).backward()
loss.by_token([ids[0].tolist()])
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""


def test_peak_memory_is_far_below_that_of_all_logits():
    """All logits once in float32 are 858 MiB; the plain loss holds three times as much."""
    command = [sys.executable, "-c", PEAK.format(scripts=str(SCRIPTS))]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    peak = float(done.stdout.splitlines()[-1])
    print(f"peak {peak:.0f} MiB")
    assert peak < 430
