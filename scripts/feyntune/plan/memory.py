"""Peak memory of the stages that hold a model: weights, an adapter's training, activations, keys and values.

Activations are counted in numbers that a block keeps for each token: of its width, and of its feed-forward width. What
allocators waste and libraries hold is a margin on top.
"""

from types import SimpleNamespace

from feyntune.plan.shapes import block_parameters, head_parameters
from feyntune.scoring import LOGITS_AT_ONCE, usual_budget

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


def scoring_bytes(shape, stage, device):
    """Peak of a forward pass over a batch; the head sees a part of its tokens at a time.

    Args:
        shape: ``settings.planning.ModelShape``.
        stage: ``settings.scoring.ScoringStage``.
        device: ``cuda`` or ``cpu``, which have batches of their own.
    """
    tokens = stage.scoring.batch_tokens or usual_budget(SimpleNamespace(type=device))
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
