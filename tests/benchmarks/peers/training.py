"""Steps of LoRA training on abstracts, against TRL's SFTTrainer: padded, and packed into rows.

Both train the same adapter (all linear layers) on the same frozen weights in float32, with AdamW and clipped gradients,
without recomputation. A step is on sixteen abstracts. Ours is the layout and the loss of training, in a plain loop;
tokenization and the loading of models are not timed.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from benchmarks.comparison import OURS, REFERENCE, Benchmark, Case
from benchmarks.material import BOS, EOS, parameters, shape
from benchmarks.peers.material import abstracts, model_with_tokenizer, peer
from benchmarks.training import BATCH, LAYER_SETS, OPERATIONS, check

if TYPE_CHECKING:
    from peft import PeftModel

    from feyntune.training.loss import NextTokenLoss
    from feyntune.training.microbatches import MicroBatches

WIDTH = 512
"""Tokens of TRL's packed rows, at least as many as the longest abstract has."""


def prepare(packed: bool, steps: int, folder: Path) -> Case:
    """The case of so many steps; TRL packs rows or pads a batch."""
    from transformers import AutoTokenizer

    from feyntune.training.loss import NextTokenLoss
    from feyntune.training.microbatches import MicroBatches

    texts = abstracts(BATCH)
    base = model_with_tokenizer(folder / "model", texts)
    encoded = AutoTokenizer.from_pretrained(base)(texts, add_special_tokens=False)["input_ids"]
    sequences = [[BOS, *ids, EOS] for ids in encoded]
    assert max(map(len, sequences)) <= WIDTH, "TRL's packing would truncate an abstract"
    model = _adapted(base, folder / "adapter")
    settings = {"sequences": sequences, "steps": steps, "width": WIDTH if packed else None}
    worker = peer(
        "trl", folder, base=str(base), adapter=str(folder / "adapter"), output=str(folder / "trl"), **settings
    )
    order = np.tile(np.arange(BATCH), (steps, 1))
    micro_batches = MicroBatches([np.array(each) for each in sequences], order, 1, 0, shape().hidden_size)
    first = {name: weights.detach().clone() for name, weights in model.named_parameters() if weights.requires_grad}
    ours = functools.partial(_train, model, first, micro_batches, NextTokenLoss(model.get_base_model()))
    tokens = steps * sum(map(len, sequences))
    ways = {REFERENCE: lambda: worker.ask({}), OURS: ours}
    return Case(tokens, ways, flops=OPERATIONS * parameters() * tokens, processes=(worker.process.pid,))


def _adapted(base: Path, folder: Path) -> PeftModel:
    """The model with an adapter of random weights, B included, so that all of it has a gradient; saved in a folder."""
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(0)
    config = LoraConfig(r=16, lora_alpha=32, lora_dropout=0.0, target_modules=LAYER_SETS["all"], task_type="CAUSAL_LM")
    model = get_peft_model(AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32), config).train()
    for name, weights in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weights, std=0.01)
    model.save_pretrained(folder)
    return model


def _train(
    model: PeftModel, first: dict[str, torch.Tensor], micro_batches: MicroBatches, loss: NextTokenLoss
) -> tuple[list[float], float]:
    """A step of AdamW on each batch from the first weights; returns the losses and the norm of the last gradient."""
    trained = {name: weights for name, weights in model.named_parameters() if weights.requires_grad}
    for name, weights in trained.items():
        weights.data.copy_(first[name])
    optimizer = torch.optim.AdamW(trained.values(), lr=3e-4, weight_decay=0.0)
    losses = []
    for step in range(len(micro_batches)):
        (batch,) = micro_batches.of_step(step, 0, 1)
        mean = loss.total(batch) / micro_batches.target_tokens(step)
        mean.backward()
        norm = torch.nn.utils.clip_grad_norm_(trained.values(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        losses.append(mean.item())
    return losses, norm.item()


BENCHMARKS = [
    Benchmark(
        name=f"trl-{layout}",
        title=f"training, against TRL's SFTTrainer, {layout}",
        unit="tokens",
        sizes=(3,),
        prepare=functools.partial(prepare, layout == "packed"),
        check=check,
        with_memory=False,
    )
    for layout in ("padded", "packed")
]
