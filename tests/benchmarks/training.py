"""Training steps on packed abstracts compared with the reference's: random batches of 16, padded to a multiple of 8.

Both train the same LoRA adapter on the same quantised model in the same steps; only the layout of a step differs.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from benchmarks.comparison import OURS, REFERENCE, Benchmark, Case
from benchmarks.material import abstracts, device, dtype, parameters, random_model, shape

if TYPE_CHECKING:
    from peft import PeftModel

Batch = dict[str, torch.Tensor]

BATCH = 16
LAYER_SETS = {
    "all": ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"],
    "qkv": ["q_proj", "k_proj", "v_proj"],
}
OPERATIONS = 4
"""Floating-point operations for each weight and token: two forward, and two backward to the activations."""


def prepare(layers: str, steps: int, folder: Path) -> Case:
    """A case of so many steps of 16 abstracts."""
    from feyntune.training.microbatches import MicroBatches, order_steps

    sequences = abstracts(40 * BATCH)
    lengths = np.array([len(sequence) for sequence in sequences])
    order = order_steps(lengths, BATCH, steps + 1, seed=0)[1:]  # the first step is the longest
    model = adapted_model(layers, folder.parent / "model")
    flash = model.config._attn_implementation == "flash_attention_2"  # which separates abstracts in one row only
    micro_batches = MicroBatches(sequences, order, 1, 0, None if flash else shape().hidden_size)
    batches = {
        REFERENCE: [padded([sequences[number] for number in step]) for step in order],
        OURS: [batch for step in range(steps) for batch in micro_batches.of_step(step, 0, 1)],
    }
    tokens = int(lengths[order].sum())
    ways = {way: functools.partial(_train, model, batches[way]) for way in batches}
    return Case(tokens, ways, flops=OPERATIONS * parameters() * tokens)


@functools.cache
def adapted_model(layers: str, folder: Path) -> PeftModel:
    """A random Llama in NF4 with the paper's adapter, without dropout so that results can be compared."""
    from feyntune.config.schema.training import TrainingStage
    from feyntune.training.adapter import load_adapted

    stage = TrainingStage(
        run="bench",
        seed=0,
        lora={"dropout": 0.0},
        target_modules=LAYER_SETS[layers],
        quantization={"method": "nf4"},
        precision={"dtype": str(dtype()).removeprefix("torch.")},
        training={},
    )
    torch.manual_seed(0)
    model = load_adapted(random_model(folder), "bench", stage).train()
    model.config.use_cache = False
    model.gradient_checkpointing_enable()
    model.enable_input_require_grads()
    return model


def padded(sequences: Sequence[np.ndarray]) -> Batch:
    """The reference's batch: right padding to a multiple of 8, attention mask, labels."""
    width = -(-max(map(len, sequences)) // 8) * 8
    tokens = np.zeros((len(sequences), width), dtype=np.int64)
    mask = np.zeros_like(tokens)
    for row, sequence in enumerate(sequences):
        tokens[row, : len(sequence)], mask[row, : len(sequence)] = sequence, 1
    batch = {"input_ids": tokens, "attention_mask": mask, "labels": np.where(mask, tokens, -100)}
    return {name: torch.from_numpy(array) for name, array in batch.items()}


def _train(model: PeftModel, batches: Sequence[Batch]) -> tuple[list[float], float]:
    """A step of AdamW on each batch, from a fresh adapter; returns the losses and the norm of the last gradient."""
    _reset_adapter(model)
    optimizer = torch.optim.AdamW([each for each in model.parameters() if each.requires_grad], lr=3e-4)
    losses = []
    for batch in batches:
        with torch.autocast(device().type, dtype(), enabled=dtype() is torch.bfloat16):  # as in training
            loss = model(**{name: tensor.to(device()) for name, tensor in batch.items()}).loss
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.detach())
    return [loss.item() for loss in losses], norm.item()


@torch.no_grad()
def _reset_adapter(model: PeftModel) -> None:
    """Set the adapter to the same random numbers each time, B included, so that all of it has a gradient."""
    generator = torch.Generator().manual_seed(0)
    for name, weights in model.named_parameters():
        if "lora_" in name:
            weights.copy_(torch.randn(weights.shape, generator=generator) * 0.01)


def check(results: dict[str, Any]) -> str:
    """Losses and gradient norms agree to the rounding of the number format."""
    (slow, slow_norm), (fast, fast_norm) = results[REFERENCE], results[OURS]
    tolerance = 1e-4 if dtype() == torch.float32 else 2e-2
    np.testing.assert_allclose([*fast, fast_norm], [*slow, slow_norm], rtol=tolerance)
    difference = max(abs(a / b - 1) for a, b in zip([*fast, fast_norm], [*slow, slow_norm], strict=True))
    return f"losses and gradient norms differ by at most {difference:.0e}"


BENCHMARKS = [
    Benchmark(
        name=f"training-{layers}",
        title=f"training, adapter on {layers}",
        unit="tokens",
        sizes=(1, 2, 4),
        prepare=functools.partial(prepare, layers),
        check=check,
        least_ratio=1.8,
    )
    for layers in LAYER_SETS
]
