"""Peak memory of the stages that hold a model: weights, an adapter's training, activations, keys and values.

Activations are counted in numbers that a block keeps for each token: of its width, and of its feed-forward width. What
allocators waste and libraries hold is a margin on top.
"""

import json
from pathlib import Path
from types import SimpleNamespace

from feyntune.config.schema.planning import ModelShape
from feyntune.evaluation.perplexity import usual_budget
from feyntune.models.likelihood import LOGITS_AT_ONCE

_LLAMA_8B = ModelShape(
    hidden_size=4096,
    num_hidden_layers=32,
    num_attention_heads=32,
    num_key_value_heads=8,
    intermediate_size=14336,
    vocab_size=128256,
)
KNOWN = {
    "meta-llama/Llama-3.1-8B": _LLAMA_8B,
    "meta-llama/Meta-Llama-3.1-8B": _LLAMA_8B,
    "sentence-transformers/all-mpnet-base-v2": ModelShape(
        hidden_size=768,
        num_hidden_layers=12,
        num_attention_heads=12,
        intermediate_size=3072,
        vocab_size=30527,
        gated=False,
    ),
    "jinaai/jina-embeddings-v3": ModelShape(
        hidden_size=1024,
        num_hidden_layers=24,
        num_attention_heads=16,
        intermediate_size=4096,
        vocab_size=250002,
        gated=False,
    ),
}
"""From these repositories' own `config.json`."""

_SAME = {
    "hidden_size": ("hidden_size", "n_embd", "d_model"),
    "num_hidden_layers": ("num_hidden_layers", "n_layer", "num_layers"),
    "num_attention_heads": ("num_attention_heads", "n_head", "num_heads"),
    "num_key_value_heads": ("num_key_value_heads",),
    "intermediate_size": ("intermediate_size", "n_inner", "ffn_dim", "d_ff"),
    "vocab_size": ("vocab_size",),
}
"""What architectures call the same size."""
_UNGATED = {
    "bert",
    "mpnet",
    "roberta",
    "xlm-roberta",
    "distilbert",
    "gpt2",
    "gpt_neox",
    "opt",
    "bloom",
    "phi",
    "falcon",
}


def shape_of(configuration, registry, name):
    """The shape of an entry of ``models`` or ``metrics``; None if nothing tells it.

    What the configuration says comes first, then the model's own file, then what is known by name, last the settings
    from which the embedded default will make it.
    """
    entry = getattr(configuration, registry)[name]
    folder = Path(entry.path or f"results/{registry}/{name}")
    told = configuration.planning.shapes.get(name)
    return told or read_shape(folder) or KNOWN.get(entry.hub) or _demo_shape(configuration.demo.model, folder)


def read_shape(folder):
    """The shape in a model folder's `config.json`; None if there is none, or none of a transformer's."""
    try:
        content = json.loads((Path(folder) / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    sizes = {ours: next((content[name] for name in names if content.get(name)), None) for ours, names in _SAME.items()}
    if sizes["hidden_size"] and not sizes["intermediate_size"]:
        sizes["intermediate_size"] = 4 * sizes["hidden_size"]
    if None in [value for name, value in sizes.items() if name != "num_key_value_heads"]:
        return None
    return ModelShape(**sizes, gated=content.get("model_type") not in _UNGATED)


def _demo_shape(model, folder):
    if folder != Path("results/demo/model"):
        return None
    return ModelShape(
        hidden_size=model.hidden_size,
        num_hidden_layers=model.layers,
        num_attention_heads=model.hidden_size // 32,
        num_key_value_heads=max(1, model.hidden_size // 64),
        intermediate_size=3 * model.hidden_size,
        vocab_size=model.vocabulary,
    )


def layer_sizes(shape):
    """Rows and columns of the linear layers of one block, by the names that Llama gives them."""
    head = shape.hidden_size // shape.num_attention_heads
    small = head * (shape.num_key_value_heads or shape.num_attention_heads)
    width, wide = shape.hidden_size, shape.intermediate_size
    sizes = {"q_proj": (width, width), "k_proj": (width, small), "v_proj": (width, small), "o_proj": (width, width)}
    sizes |= {"up_proj": (width, wide), "down_proj": (wide, width)}
    return sizes | ({"gate_proj": (width, wide)} if shape.gated else {})


def block_parameters(shape):
    """Weights in the linear layers of all blocks: what bitsandbytes quantises."""
    return shape.num_hidden_layers * sum(rows * columns for rows, columns in layer_sizes(shape).values())


def head_parameters(shape):
    """Weights of the matrix from hidden states to the vocabulary."""
    return shape.hidden_size * shape.vocab_size


def lora_parameters(shape, target_modules, rank):
    """Weights of an adapter; a layer of another name than Llama's counts as a square of the width."""
    sizes, square = layer_sizes(shape), (shape.hidden_size, shape.hidden_size)
    return shape.num_hidden_layers * sum(rank * sum(sizes.get(name, square)) for name in target_modules)


DTYPE_BYTES = {"bfloat16": 2, "float16": 2, "float32": 4}
MARGIN = 1.1
CONTEXT = 0.7e9
"""Bytes that Python, the libraries and a card's context take before any weight."""


def weight_bytes(shape, quantization, precision):
    """Bytes of a base model's weights as they are held: blocks quantised, embeddings and head in ``dtype``."""
    plain = DTYPE_BYTES[precision.dtype]
    # 4 bits a weight, and for each 64 of them a scale: 32 bits, or 8 and a little where scales are quantised too.
    four_bits = 0.5 + (0.016 if quantization.double else 0.0625)
    of_blocks = {"nf4": four_bits, "fp4": four_bits, "int8": 1, "none": plain}[quantization.method]
    return block_parameters(shape) * of_blocks + 2 * head_parameters(shape) * plain


def training_bytes(shape, stage, tokens, trained):
    """Peak of a training step.

    Args:
        shape: ``settings.planning.ModelShape``.
        stage: ``settings.training.TrainingStage``.
        tokens: tokens that a device holds at once.
        trained: weights of the adapter, each with its gradient and two moments in float32.
    """
    plain = DTYPE_BYTES[stage.precision.dtype]
    block = (14 * shape.hidden_size + 5 * shape.intermediate_size) * plain
    kept = shape.num_hidden_layers * shape.hidden_size * plain + block
    if not stage.training.gradient_checkpointing:
        kept = shape.num_hidden_layers * block
    logits = shape.vocab_size * (2 * plain + 8)  # with their gradient, and both in float32
    weights = weight_bytes(shape, stage.quantization, stage.precision)
    return CONTEXT + MARGIN * (weights + 16 * trained + tokens * (kept + logits))


def completion_bytes(shape, stage, length):
    """Peak while texts grow side by side.

    Args:
        shape: ``settings.planning.ModelShape``.
        stage: ``settings.completion.CompletionStage``.
        length: tokens of the longest of them, prompt and continuation.
    """
    plain, batch = DTYPE_BYTES[stage.precision.dtype], stage.generation.batch_size
    heads = (shape.num_key_value_heads or shape.num_attention_heads) / shape.num_attention_heads
    cache = 2 * shape.num_hidden_layers * shape.hidden_size * heads * plain * length
    weights = weight_bytes(shape, stage.quantization, stage.precision)
    return CONTEXT + MARGIN * (weights + batch * (cache + shape.vocab_size * 12))


def perplexity_bytes(shape, stage, device):
    """Peak of a forward pass over a batch; the head sees a part of its tokens at a time.

    Args:
        shape: ``settings.planning.ModelShape``.
        stage: ``settings.scoring.PerplexityStage``.
        device: ``cuda`` or ``cpu``, which have batches of their own.
    """
    tokens = stage.perplexity.batch_tokens or usual_budget(SimpleNamespace(type=device))
    plain = DTYPE_BYTES[stage.precision.dtype]
    block = (8 * shape.hidden_size + 3 * shape.intermediate_size) * plain
    weights = weight_bytes(shape, stage.quantization, stage.precision)
    logits = 8 * min(LOGITS_AT_ONCE, tokens * shape.vocab_size)
    return CONTEXT + MARGIN * (weights + tokens * block + logits)


def embedding_bytes(shape, batch, length):
    """Peak of a sentence-embedding model over a batch of texts of ``length`` tokens; its weights are in float32."""
    weights = 4 * (block_parameters(shape) + head_parameters(shape))
    scores = shape.num_attention_heads * length * length
    token = 12 * shape.hidden_size + 3 * shape.intermediate_size
    return CONTEXT + MARGIN * (weights + 4 * batch * (length * token + scores))
