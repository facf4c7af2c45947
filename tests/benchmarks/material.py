"""Models and abstracts to measure with: made on the spot, as large as the device deserves."""

import functools

import numpy as np

from feyntune.config.schema.planning import ModelShape
from feyntune.planning.memory import KNOWN, block_parameters, head_parameters

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
def device():
    """Where the benchmarks run: the GPU, if there is one."""
    from feyntune.core.gpus import pick_device

    return pick_device()


def dtype():
    """The number format that is usual there."""
    import torch

    return torch.bfloat16 if device().type == "cuda" else torch.float32


def shape():
    """The model's shape on this device: on a GPU that of Llama 3.1 8B."""
    return KNOWN["meta-llama/Llama-3.1-8B"] if device().type == "cuda" else SMALL


def llama(**tokens):
    """A randomly initialised Llama of that shape, in that number format, on that device."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    sizes = shape().model_dump(exclude={"gated"})
    config = LlamaConfig(**sizes, max_position_embeddings=8192, bos_token_id=BOS, eos_token_id=EOS, **tokens)
    with torch.device(device()):
        return LlamaForCausalLM(config).to(dtype())


def random_model(folder):
    """Save such a Llama in a folder, unless it is there already; returns the folder."""
    if not (folder / "config.json").is_file():
        llama().save_pretrained(folder)
    return folder


def parameters():
    """Number of weights that a token meets: in the matrices of the layers and in the head."""
    return block_parameters(shape()) + head_parameters(shape())


# Tokens of 4,226 real hep-th abstracts by a BPE of 4,096: the shares of abstracts that are as short, and how short.
SHARES = [*(share / 20 for share in range(20)), 0.98, 0.99, 0.995, 0.999, 1]
QUANTILES = [10, 51, 66, 76, 85, 95, 103, 111, 121, 131, 140, 149, 160, 171, 184, 201, 218, 242, 270, 319]
QUANTILES += [373, 418, 442, 545, 816]


def realistic_lengths(count, seed=0):
    """Lengths as real hep-th abstracts have them, BOS and EOS included: median 140 tokens, mean 156, at most 816."""
    return np.interp(np.random.default_rng(seed).random(count), SHARES, QUANTILES).astype(int)


def abstracts(count, seed=0):
    """Random tokens behind a BOS, as many as real abstracts have."""
    draw = np.random.default_rng(seed)
    most = shape().vocab_size
    return [np.array([BOS, *draw.integers(2, most, length - 1)]) for length in realistic_lengths(count, seed)]
