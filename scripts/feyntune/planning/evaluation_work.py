"""The work of completions, perplexities, similarities and metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, cast

from feyntune.config import stages
from feyntune.evaluation.generation.batching import rows_that_fit
from feyntune.evaluation.metrics import metric_class
from feyntune.models.shape import cache_bytes
from feyntune.planning import memory
from feyntune.planning.devices import DEFAULT
from feyntune.planning.memory import block_parameters, forward_operations, stored_bytes
from feyntune.planning.work import PADDING, Work

if TYPE_CHECKING:
    from feyntune.config.schema.generation import CompletionStage
    from feyntune.config.schema.planning import ModelShape
    from feyntune.evaluation.metrics.embedding import EmbeddingSettings
    from feyntune.planning.context import Context

LONGEST = 4
"""The longest abstracts have about this many times the mean number of tokens."""
OCCUPIED = {"transformers": 0.85, "vllm": 1.0}
"""Fraction of a batch's rows that are not finished yet, by engine: the built-in one replaces an eighth at a time."""
LAUNCHED = {"transformers": 1.0, "vllm": 0.1}
"""Time to launch the kernels of a decoding step, relative to ``Device.layer``, by engine: vLLM replays CUDA graphs."""
STARTS = {"transformers": 5.0, "vllm": 60.0}
"""Seconds in which an engine starts, besides importing torch and reading weights; vLLM compiles and captures graphs."""


def complete(context: Context, set: str, run: str, engine: str | None = None) -> Work:
    """The work of completing an evaluation set by a run, with another engine than the configured one if it is given."""
    shape, rows = context.shape(run), context.sizes.rows(set)
    stage = stages.completion_stage(context.configuration, context.runs[run], set)
    generation = stage.generation
    engine = engine or generation.engine
    prompt = context.tokens(run, context.configuration.evaluation_sets[set].dataset) / 2 + 1
    # An adapted model stops after an abstract; a base model may generate up to the maximum length.
    wanted = prompt if context.runs[run].is_tuned else generation.max_new_tokens
    new = max(generation.min_new_tokens, min(generation.max_new_tokens, wanted))
    if not shape:
        return Work(tokens=rows * (prompt + new), known=False, disk=rows * 3e3, engine=engine)
    longest = LONGEST / 2 * prompt
    batch = min(rows_in_parallel(context, shape, stage, longest), rows)
    cache = cache_bytes(shape, memory.DTYPE_BYTES[stage.precision.dtype], batch * (prompt + new / 2))
    # CUDA graphs leave a GPU no gaps: the operations of new tokens happen while weights are read.
    overlapped = engine == "vllm" and context.configuration.resources.complete.gpu
    computed = prompt if overlapped else prompt + new
    return Work(
        tokens=rows * (prompt + new),
        operations=rows * computed * forward_operations(shape, prompt + new),
        steps=rows * new / batch / OCCUPIED[engine],
        layers=shape.num_hidden_layers * LAUNCHED[engine],
        moved=memory.evaluation_weight_bytes(shape, stage) + cache,
        loaded=stored_bytes(shape),
        seconds=STARTS[engine],
        peak=memory.completion_bytes(shape, stage, longest, batch),
        disk=rows * 3e3,
        engine=engine,
    )


def rows_in_parallel(context: Context, shape: ModelShape, stage: CompletionStage, prompt: float) -> int:
    """The rows of a completion job's batches, as the job will choose them; ``prompt``: tokens of the longest."""
    asked = context.configuration.resources.complete
    device: Literal["cuda", "cpu"] = "cuda" if asked.gpu else "cpu"
    there = (context.gpu_memory or DEFAULT.memory) if asked.gpu else 1e6 * asked.mem_mb
    assert there is not None, "every GPU of the table has a memory"
    return rows_that_fit(shape, stage, prompt, prompt + stage.generation.max_new_tokens, there, device)


def perplexity(context: Context, set: str, run: str) -> Work:
    """The work of a run's perplexities and embeddings of an evaluation set."""
    shape, rows = context.shape(run), context.sizes.rows(set)
    stage = stages.perplexity_stage(context.configuration, context.runs[run], set)
    each = context.tokens(run, context.configuration.evaluation_sets[set].dataset) + 1
    if not shape:
        return Work(tokens=rows * each, known=False)
    device: Literal["cuda", "cpu"] = "cuda" if context.configuration.resources.perplexity.gpu else "cpu"
    return Work(
        tokens=rows * each,
        operations=rows * each * forward_operations(shape, each),
        loaded=stored_bytes(shape),
        peak=memory.perplexity_bytes(shape, stage, device),
        disk=rows * (4 * shape.hidden_size + 60),
    )


def similarity(context: Context, set: str, run: str) -> Work:
    """The work of a matrix of similarities."""
    shape, rows = context.shape(run), context.sizes.rows(set)
    width, number = shape.hidden_size if shape else 4096, memory.DTYPE_BYTES[context.configuration.similarity.dtype]
    return Work(
        operations=2 * rows * rows * width,
        loaded=4 * rows * width,
        peak=memory.CONTEXT + 3 * 4 * rows * rows + 8 * rows * width,
        disk=number * rows * rows,
    )


def prepare_metric(context: Context, metric: str, set: str) -> Work:
    """The work of a metric's embeddings of the abstracts themselves."""
    return _embedding(context, metric, set, 4 * 1e3)


def metric(context: Context, metric: str, set: str, run: str) -> Work:
    """The work of a metric with a model."""
    return _embedding(context, metric, set, 50)


def cpu_metric(context: Context, metric: str, set: str, run: str | None = None) -> Work:
    """Counting words takes milliseconds for a completion, and less for an abstract of a training split."""
    rows, dataset = context.sizes.rows(set), context.runs[run].dataset if run else None
    needs_training = metric_class(context.configuration.metrics[metric].kind).needs_training
    trained_on = context.sizes.dataset(dataset).rows["train"] if dataset and needs_training else 0
    return Work(seconds=5 + rows / 200 + trained_on / 6_000, disk=rows * 50)


def _embedding(context: Context, metric: str, set: str, bytes_each: float) -> Work:
    """Whole texts and their second halves: one and a half abstracts per row."""
    shape, rows = context.shapes["metrics", metric], context.sizes.rows(set)
    settings = cast("EmbeddingSettings", context.configuration.metrics[metric])
    dataset = context.configuration.evaluation_sets[set].dataset
    each = context.sizes.tokens(dataset, settings.path or f"results/metrics/{metric}") + 2
    tokens = rows * 1.5 * each
    if not shape:
        return Work(tokens=tokens, seconds=12 + rows / 500, disk=rows * bytes_each)
    longest = min(settings.max_length or 512, LONGEST * each)
    return Work(
        tokens=tokens,
        operations=PADDING * tokens * 2 * block_parameters(shape),
        loaded=stored_bytes(shape),
        peak=memory.embedding_bytes(shape, settings.batch_size, longest),
        disk=rows * bytes_each,
    )
