"""Sizes of a model that decide how much memory it needs: its weights and its KV cache in bytes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from feyntune.config.schema.models import Quantization
from feyntune.config.schema.planning import ModelShape

if TYPE_CHECKING:
    from transformers import PretrainedConfig

    from feyntune.config.schema.evaluated import EvaluationStage
    from feyntune.config.schema.models import Precision

DTYPE_BYTES = {"bfloat16": 2, "float16": 2, "float32": 4}
MARGIN = 1.1
"""Factor on computed sizes, for what allocators waste."""
CONTEXT = 0.7e9
"""Bytes that Python, the libraries and the CUDA context take before any weight."""

_SAME = {
    "hidden_size": ("hidden_size", "n_embd", "d_model"),
    "num_hidden_layers": ("num_hidden_layers", "n_layer", "num_layers"),
    "num_attention_heads": ("num_attention_heads", "n_head", "num_heads"),
    "num_key_value_heads": ("num_key_value_heads",),
    "head_dim": ("head_dim",),
    "intermediate_size": ("intermediate_size", "n_inner", "ffn_dim", "d_ff"),
    "vocab_size": ("vocab_size",),
}
"""The keys that architectures use for the same size."""
_UNGATED = frozenset(
    "bert mpnet roberta xlm-roberta jina_embeddings_v3 distilbert gpt2 gpt_neox opt bloom phi falcon".split()
)
"""Architectures with two feed-forward matrices in each block."""


def cache_bytes(shape: ModelShape, number_bytes: int, tokens: float) -> float:
    """Bytes of the KV cache of so many tokens."""
    head = shape.head_dim or shape.hidden_size // shape.num_attention_heads
    width = head * (shape.num_key_value_heads or shape.num_attention_heads)
    return 2 * shape.num_hidden_layers * width * number_bytes * tokens


def shape_of(config: PretrainedConfig) -> ModelShape:
    """The sizes in a loaded configuration.

    Raises:
        ValueError: it lacks one of them.
    """
    shape = shape_in(config.get_text_config().to_dict())
    if shape is None:
        raise ValueError(f"the configuration of {config.model_type} lacks a size of a transformer")
    return shape


def shape_in(content: Mapping[str, Any]) -> ModelShape | None:
    """The sizes in the content of a `config.json` that decide how much memory a model needs.

    Returns:
        None if it is not a transformer's.

    Raises:
        ValueError: a size is no number.
    """
    sizes = {ours: next((content[name] for name in names if content.get(name)), None) for ours, names in _SAME.items()}
    if sizes["hidden_size"] and not sizes["intermediate_size"]:
        sizes["intermediate_size"] = 4 * sizes["hidden_size"]
    if None in [value for name, value in sizes.items() if name not in ("num_key_value_heads", "head_dim")]:
        return None
    return ModelShape(**sizes, gated=content.get("model_type") not in _UNGATED)


def layer_sizes(shape: ModelShape) -> dict[str, tuple[int, int]]:
    """Rows and columns of the linear layers of one block, by Llama's names for them."""
    head = shape.head_dim or shape.hidden_size // shape.num_attention_heads
    queries, keys = (
        head * count for count in (shape.num_attention_heads, shape.num_key_value_heads or shape.num_attention_heads)
    )
    width, feed = shape.hidden_size, shape.intermediate_size
    sizes = {"q_proj": (width, queries), "k_proj": (width, keys), "v_proj": (width, keys), "o_proj": (queries, width)}
    sizes |= {"up_proj": (width, feed), "down_proj": (feed, width)}
    return sizes | ({"gate_proj": (width, feed)} if shape.gated else {})


def block_parameters(shape: ModelShape) -> int:
    """Weights in the linear layers of all blocks: those that bitsandbytes quantises."""
    return shape.num_hidden_layers * sum(rows * columns for rows, columns in layer_sizes(shape).values())


def head_parameters(shape: ModelShape) -> int:
    """Weights of the matrix from hidden states to the vocabulary."""
    return shape.hidden_size * shape.vocab_size


def weight_bytes(shape: ModelShape, quantization: Quantization, precision: Precision) -> float:
    """Bytes of a base model's weights in memory: blocks quantised, embeddings and head in ``dtype``."""
    plain = DTYPE_BYTES[precision.dtype]
    # 4 bits per weight, and a scale per 64 weights: 32 bits, or a little more than 8 if scales are quantised too.
    four_bits = 0.5 + (0.016 if quantization.double else 0.0625)
    of_blocks = {"nf4": four_bits, "fp4": four_bits, "int8": 1, "none": plain}[quantization.method]
    return block_parameters(shape) * of_blocks + 2 * head_parameters(shape) * plain


def evaluation_weight_bytes(shape: ModelShape, stage: EvaluationStage) -> float:
    """Bytes of the weights of an evaluated model in memory; dequantised ones are stored in ``dtype``."""
    quantization = stage.quantization if stage.weights == "quantised" else Quantization(method="none")
    return weight_bytes(shape, quantization, stage.precision)
