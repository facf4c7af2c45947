"""Training steps on packed abstracts against the reference's: batches of 16 in random order, padded to a multiple of 8.

Both ways train the same LoRA adapter on the same quantised model in the same steps; only the layout of a step differs.
"""

import functools

import numpy as np
import torch

from benchmarks.comparison import OURS, REFERENCE, Benchmark, Case
from benchmarks.material import abstracts, device, dtype, parameters, random_model, shape

BATCH = 16
LAYER_SETS = {
    "all": ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"],
    "qkv": ["q_proj", "k_proj", "v_proj"],
}
OPERATIONS = 4
"""For each weight and token, in units of two: forward, and backward to the activations; frozen weights need no more."""


def prepare(layers, steps, folder):
    """So many steps of 16 abstracts."""
    from feyntune.training.microbatches import Pieces, order_steps

    sequences = abstracts(40 * BATCH)
    lengths = np.array([len(sequence) for sequence in sequences])
    order = order_steps(lengths, BATCH, steps + 1, seed=0)[1:]  # the first is the longest of all, not a usual one
    pieces = Pieces(sequences, order, 1, None, 0, shape().hidden_size)
    batches = {
        REFERENCE: [padded([sequences[number] for number in step]) for step in order],
        OURS: [pieces[number] for number in range(len(pieces))],
    }
    tokens = int(lengths[order].sum())
    model = adapted_model(layers, folder.parent / "model")
    ways = {way: functools.partial(_train, model, batches[way]) for way in batches}
    return Case(tokens, ways, flops=OPERATIONS * parameters() * tokens)


@functools.cache
def adapted_model(layers, folder):
    """A random Llama, in NF4, with the paper's adapter on it; without dropout, so that the ways can be compared."""
    from feyntune.config.schema.training import TrainingStage
    from feyntune.training.model import load_adapted

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


def padded(sequences):
    """The reference's batch: right padding to a multiple of 8, attention mask, labels."""
    width = -(-max(map(len, sequences)) // 8) * 8
    tokens = np.zeros((len(sequences), width), dtype=np.int64)
    mask = np.zeros_like(tokens)
    for row, sequence in enumerate(sequences):
        tokens[row, : len(sequence)], mask[row, : len(sequence)] = sequence, 1
    batch = {"input_ids": tokens, "attention_mask": mask, "labels": np.where(mask, tokens, -100)}
    return {name: torch.from_numpy(array) for name, array in batch.items()}


def _train(model, batches):
    """A step of AdamW on each batch, from a fresh adapter; returns the losses and the last gradient's norm."""
    _refresh(model)
    optimizer = torch.optim.AdamW([each for each in model.parameters() if each.requires_grad], lr=3e-4)
    losses = []
    for batch in batches:
        loss = model(**{name: tensor.to(device()) for name, tensor in batch.items()}).loss
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.detach())
    return [loss.item() for loss in losses], norm.item()


@torch.no_grad()
def _refresh(model):
    """Set the adapter to the same random numbers each time, B included: so that all of it has a gradient."""
    generator = torch.Generator().manual_seed(0)
    for name, weights in model.named_parameters():
        if "lora_" in name:
            weights.copy_(torch.randn(weights.shape, generator=generator) * 0.01)


def check(results):
    """Losses and gradient norms agree, to the rounding of the number format."""
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
