"""Models by their shape: number of weights, operations of a forward pass, and peak memory of each stage.

Peak memory is weights, adapter with optimizer state, activations, logits and KV cache, plus a margin for the allocator
and the libraries. Activations are counted as numbers per token and block, in multiples of its width and of its
feed-forward width.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from feyntune.config.folders import model_folder
from feyntune.config.methods import FSDP, FULL
from feyntune.config.schema.planning import ModelShape
from feyntune.core.errors import FeynTuneError
from feyntune.core.files import read_json
from feyntune.evaluation.generation.batching import row_bytes
from feyntune.evaluation.perplexity_batches import usual_budget
from feyntune.models.likelihood import LOGITS_AT_ONCE
from feyntune.models.shape import (
    CONTEXT,
    DTYPE_BYTES,
    MARGIN,
    block_parameters,
    evaluation_weight_bytes,
    head_parameters,
    layer_sizes,
    shape_in,
    weight_bytes,
)
from feyntune.training.fit import activation_bytes, moment_bytes, state_bytes

if TYPE_CHECKING:
    from feyntune.config.load import Configuration
    from feyntune.config.schema.demo import DemoModel
    from feyntune.config.schema.generation import CompletionStage
    from feyntune.config.schema.perplexity import PerplexityStage
    from feyntune.config.schema.training import TrainingStage

Registry = Literal["models", "metrics"]
"""The part of the configuration that names a model."""

_JINA_V3 = ModelShape(
    hidden_size=1024,
    num_hidden_layers=24,
    num_attention_heads=16,
    intermediate_size=4096,
    vocab_size=250002,
    gated=False,
)
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
    "meta-llama/Llama-3.2-1B": ModelShape(
        hidden_size=2048,
        num_hidden_layers=16,
        num_attention_heads=32,
        num_key_value_heads=8,
        intermediate_size=8192,
        vocab_size=128256,
    ),
    "sentence-transformers/all-mpnet-base-v2": ModelShape(
        hidden_size=768,
        num_hidden_layers=12,
        num_attention_heads=12,
        intermediate_size=3072,
        vocab_size=30527,
        gated=False,
    ),
    "jinaai/jina-embeddings-v3": _JINA_V3,
    "jinaai/jina-embeddings-v3-hf": _JINA_V3,
}
"""Shapes of models on the hub, from their `config.json`."""


def shape_of(configuration: Configuration, registry: Registry, name: str) -> ModelShape | None:
    """The shape of an entry of ``models`` or ``metrics``; None if it is not known.

    The configuration's shape comes first, then the model's own file, then the table of known models, last the settings
    from which the embedded default will make the model.
    """
    entry = getattr(configuration, registry)[name]
    folder = Path(model_folder(configuration, registry, name))
    configured = configuration.planning.shapes.get(name)
    return configured or read_shape(folder) or KNOWN.get(entry.hub) or _demo_shape(configuration.demo.model, folder)


def read_shape(folder: Path) -> ModelShape | None:
    """The shape in a model folder's `config.json`; None without the file, or if it is not a transformer's."""
    try:
        content = read_json(folder / "config.json")
    except FeynTuneError:
        return None
    try:
        return shape_in(content)
    except ValueError:  # sizes that are no numbers: the job that loads the model says so
        return None


def _demo_shape(model: DemoModel, folder: Path) -> ModelShape | None:
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


def lora_parameters(shape: ModelShape, target_modules: Sequence[str], rank: int) -> int:
    """Weights of an adapter; a layer with a name that Llama does not have counts as a square of the width."""
    sizes, square = layer_sizes(shape), (shape.hidden_size, shape.hidden_size)
    return shape.num_hidden_layers * sum(rank * sum(sizes.get(name, square)) for name in target_modules)


def forward_operations(shape: ModelShape, length: float) -> float:
    """Operations of a forward pass per token of a text of ``length`` tokens, the head included.

    A matrix of P weights costs 2 P operations. Attention adds 4 x layers x width for each pair of tokens that see each
    other, half of all pairs.
    """
    matrices = 2 * (block_parameters(shape) + head_parameters(shape))
    return matrices + 2 * shape.num_hidden_layers * shape.hidden_size * length


def stored_bytes(shape: ModelShape) -> int:
    """Bytes of a model's files: two per weight."""
    return 2 * (block_parameters(shape) + 2 * head_parameters(shape))


def training_bytes(
    shape: ModelShape, stage: TrainingStage, tokens: float, trained: int, recompute: bool, gpus: int = 1
) -> float:
    """Peak memory of a training step in bytes, on each GPU.

    Args:
        shape: shape of the base model.
        stage: settings of the training.
        tokens: tokens in one forward pass of a device.
        trained: trained weights: those of the adapter, or all.
        recompute: whether activations are computed again in the backward pass.
        gpus: GPUs that train together.
    """
    number_bytes = DTYPE_BYTES[stage.precision.dtype]
    activations = activation_bytes(shape, number_bytes, tokens, recompute)
    return CONTEXT + MARGIN * (model_bytes(shape, stage, trained, gpus) + activations)


def model_bytes(shape: ModelShape, stage: TrainingStage, trained: int, gpus: int = 1) -> float:
    """Bytes of a GPU that a training needs whatever its batch: weights, gradients and the optimizer's states.

    With FSDP each GPU has a part of them, and the whole weights of the embeddings, the head, and two blocks. Before
    that, each GPU loads all quantised weights; others are divided on their way from the processor's memory.

    Args:
        shape: shape of the base model.
        stage: settings of the training.
        trained: trained weights: those of the adapter, or all.
        gpus: GPUs that train together.
    """
    number_bytes = DTYPE_BYTES[stage.precision.dtype]
    weights = base_weight_bytes(shape, stage)
    states = (4 + state_bytes(stage.training, number_bytes)) * trained
    if stage.training.parallel != FSDP or gpus < 2:
        return weights + states
    each = 4 if stage.training.method == FULL else number_bytes
    gathered = each * (2 * head_parameters(shape) + 2 * block_parameters(shape) / shape.num_hidden_layers)
    return max((weights + states) / gpus + gathered, weights if stage.quantization.method != "none" else 0)


def base_weight_bytes(shape: ModelShape, stage: TrainingStage) -> float:
    """Bytes of the weights that a training reads and does not change; ``shape`` is that of the base model."""
    return 0 if stage.training.method == FULL else weight_bytes(shape, stage.quantization, stage.precision)


def trained_parameters(shape: ModelShape, stage: TrainingStage) -> int:
    """Weights that a training changes: those of the adapter, or all but the few in norms and biases."""
    if stage.training.method == FULL:
        return block_parameters(shape) + 2 * head_parameters(shape)
    return lora_parameters(shape, stage.target_modules, stage.lora.r)


def training_disk(shape: ModelShape, stage: TrainingStage) -> float:
    """Bytes that a training writes: the adapter, or the model and two checkpoints of it with the optimizer's state."""
    trained = trained_parameters(shape, stage)
    if stage.training.method != FULL:
        return 4 * trained
    checkpoint = 4 + moment_bytes(stage.training.optimizer.name)
    return trained * (2 * checkpoint + DTYPE_BYTES[stage.precision.dtype])


def completion_bytes(shape: ModelShape, stage: CompletionStage, prompt: float, rows: int) -> float:
    """Peak memory of generation in bytes.

    Args:
        shape: shape of the base model.
        stage: settings of the completions.
        prompt: tokens of the longest prompt.
        rows: abstracts that are completed in parallel.
    """
    each = row_bytes(shape, stage, prompt, prompt + stage.generation.max_new_tokens)
    return CONTEXT + MARGIN * (evaluation_weight_bytes(shape, stage) + rows * each)


class _Device(NamedTuple):
    """A device that this machine need not have."""

    type: Literal["cuda", "cpu"]


def perplexity_bytes(shape: ModelShape, stage: PerplexityStage, device: Literal["cuda", "cpu"]) -> float:
    """Peak memory of a forward pass over a batch in bytes; the logits are computed in parts.

    Args:
        shape: shape of the base model.
        stage: settings of the perplexities.
        device: type of the device, which decides the usual batch size.
    """
    tokens = stage.perplexity.batch_tokens or usual_budget(_Device(device))
    plain = DTYPE_BYTES[stage.precision.dtype]
    block = (8 * shape.hidden_size + 3 * shape.intermediate_size) * plain
    weights = evaluation_weight_bytes(shape, stage)
    logits = 8 * min(LOGITS_AT_ONCE, tokens * shape.vocab_size)
    return CONTEXT + MARGIN * (weights + tokens * block + logits)


def embedding_bytes(shape: ModelShape, batch: int, length: float) -> float:
    """Peak memory in bytes of a sentence-embedding model over a batch of texts of ``length`` tokens, in float32."""
    weights = 4 * (block_parameters(shape) + head_parameters(shape))
    scores = shape.num_attention_heads * length * length
    token = 12 * shape.hidden_size + 3 * shape.intermediate_size
    return CONTEXT + MARGIN * (weights + 4 * batch * (length * token + scores))
