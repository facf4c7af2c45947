"""Models and abstracts for benchmarks: random, of a size that suits the device."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from feyntune.config.schema.planning import ModelShape
from feyntune.planning.memory import KNOWN, block_parameters, head_parameters

if TYPE_CHECKING:
    import torch
    from transformers import LlamaForCausalLM

SMALL = ModelShape(
    hidden_size=320,
    intermediate_size=864,
    num_hidden_layers=6,
    num_attention_heads=5,
    num_key_value_heads=5,
    vocab_size=4096,
)
"""About ten million parameters."""
BOS, EOS = 0, 1


@functools.cache
def device() -> torch.device:
    """The device of the benchmarks: the GPU, if there is one."""
    from feyntune.models.load import pick_device

    return pick_device()


def dtype() -> torch.dtype:
    """The usual number format on that device."""
    import torch

    return torch.bfloat16 if device().type == "cuda" else torch.float32


def shape() -> ModelShape:
    """The model's shape on that device: on a GPU that of Llama 3.1 8B."""
    return KNOWN["meta-llama/Llama-3.1-8B"] if device().type == "cuda" else SMALL


def llama(**tokens: int) -> LlamaForCausalLM:
    """A randomly initialised Llama of that shape, in that number format, on that device."""
    import torch
    from transformers import AutoModelForCausalLM, LlamaConfig

    torch.manual_seed(0)
    sizes = shape().model_dump(exclude={"gated"})
    config = LlamaConfig(**sizes, max_position_embeddings=8192, bos_token_id=BOS, eos_token_id=EOS, **tokens)
    with torch.device(device()):
        return AutoModelForCausalLM.from_config(config, dtype=dtype())  # never a copy in float32


def random_model(folder: Path) -> Path:
    """Save such a Llama in a folder, unless it has one already; returns the folder."""
    if not (folder / "config.json").is_file():
        llama().save_pretrained(folder)
    return folder


def parameters() -> int:
    """Number of weights that a token is multiplied with: in the matrices of the layers and in the head."""
    return block_parameters(shape()) + head_parameters(shape())


# Quantiles of the tokens of 4,226 real hep-th abstracts, with a BPE vocabulary of 4,096.
FRACTIONS = [*(part / 20 for part in range(20)), 0.98, 0.99, 0.995, 0.999, 1]
QUANTILES = [10, 51, 66, 76, 85, 95, 103, 111, 121, 131, 140, 149, 160, 171, 184, 201, 218, 242, 270, 319]
QUANTILES += [373, 418, 442, 545, 816]


def realistic_lengths(count: int, seed: int = 0) -> np.ndarray:
    """Token lengths as of real hep-th abstracts, BOS and EOS included: median 140, mean 156, at most 816."""
    return np.interp(np.random.default_rng(seed).random(count), FRACTIONS, QUANTILES).astype(int)


def abstracts(count: int, seed: int = 0) -> list[np.ndarray]:
    """Sequences of BOS and random tokens, as long as real abstracts."""
    draw = np.random.default_rng(seed)
    return [
        np.array([BOS, *draw.integers(2, shape().vocab_size, length - 1)]) for length in realistic_lengths(count, seed)
    ]
