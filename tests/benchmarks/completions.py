"""Completions against static batches in data order, with a model whose texts have known mean lengths.

Each word belongs to one of a few classes, and a text keeps its class until it stops. Texts of a class stop at a rate of
their own: after 20 to 700 tokens on average. Both implementations sample from the same distribution with the same
random numbers, so that the completions are the same.
"""

import copy
import functools
import math
from types import SimpleNamespace

import torch

from benchmarks.comparison import OURS, REFERENCE, Benchmark, Case
from benchmarks.material import BOS, EOS, device, dtype, llama, parameters, shape

CLASSES, MOST = 16, 1024
MEANS = torch.logspace(1.3, 2.85, CLASSES)
FAITH = 14
"""Log odds of a word of the text's own class against another word."""


def prepare(count, folder):
    """The case of ``count`` prompts."""
    from feyntune.config.schema.generation import Generation
    from feyntune.evaluation.generation.transformers_engine import prepare_model

    model, sequences = stopping_model(), prompts(count)
    prepared = copy.deepcopy(model)
    prepare_model(prepared)
    settings = Generation(temperature=1.0, min_new_tokens=20, batch_size=_rows_at_once(), max_new_tokens=MOST)
    ways = {
        REFERENCE: lambda: _static(model, rows_of(sequences, MOST), settings),
        OURS: lambda: _segments(prepared, rows_of(sequences, MOST), settings),
    }
    new = sum(map(len, ways[OURS]()))
    weights = parameters() * dtype().itemsize
    return Case(new, ways, flops=2 * parameters() * new, moved=weights * new / _rows_at_once())


def _rows_at_once():
    return 64 if device().type == "cuda" else 16


@functools.cache
def stopping_model():
    """A Llama whose texts stop at the rates of their classes."""
    causal = llama(pad_token_id=EOS)
    with torch.no_grad():
        _build_in(causal)
    tokenizer = SimpleNamespace(eos_token_id=EOS, bos_token_id=BOS, pad_token_id=EOS)
    tokens = SimpleNamespace(tokenizer=tokenizer, context=2048, eos_ids=[EOS])
    return SimpleNamespace(causal=causal.eval(), tokens=tokens)


def _build_in(causal):
    """Let embeddings and head determine class and stop rate; the layers compute as usual, with little effect."""
    for layer in causal.model.layers:
        layer.self_attn.o_proj.weight.mul_(1e-3)
        layer.mlp.down_proj.weight.mul_(1e-3)
    words = torch.arange(2, shape().vocab_size)
    embedding, head = causal.get_input_embeddings().weight.zero_(), causal.get_output_embeddings().weight.zero_()
    embedding[words, _class(words)] = 1
    norm = math.sqrt(shape().hidden_size)
    head[words, _class(words)] = FAITH / norm
    rivals = math.log(len(words) / CLASSES) + FAITH
    head[EOS, :CLASSES] = ((rivals - (MEANS - 1).log()) / norm).to(head)


def _class(words):
    return (words - 2) % CLASSES


def _words(classes):
    """Random words, each of a class."""
    return 2 + classes + CLASSES * torch.randint((shape().vocab_size - 2) // CLASSES, classes.shape)


def prompts(count):
    """Prompts of 20 to 120 words of one class each, in the order in which a dataset would have them."""
    torch.manual_seed(1)
    lengths = torch.randint(20, 120, (count,)).tolist()
    return [[BOS, *_words(torch.randint(CLASSES, (1,)).expand(length)).tolist()] for length in lengths]


def rows_of(sequences, most):
    """A row for each sequence, with at most ``most`` new tokens."""
    from feyntune.evaluation.generation.engine import Row, stream_key

    return [
        Row(index, str(index), stream_key(0, "bench", str(index)), sequence, most)
        for index, sequence in enumerate(sequences)
    ]


def _segments(model, rows, settings):
    """The project's built-in engine."""
    from feyntune.evaluation.generation.transformers_engine import TransformersEngine

    engine = TransformersEngine(model, settings, settings.batch_size)
    engine.complete(sorted(rows, key=lambda row: -len(row.prompt)), lambda *_: None)
    return [row.new_ids for row in rows]


def _static(model, rows, settings):
    """Batches in data order, each until its longest row stops, by ``generate`` with the project's sampler."""
    from feyntune.evaluation.generation.transformers_engine import TransformersEngine

    engine = TransformersEngine(model, settings, settings.batch_size)
    for start in range(0, len(rows), engine.batch):
        batch = rows[start : start + engine.batch]
        width = max(len(row.prompt) for row in batch)
        padding = torch.tensor([width - len(row.prompt) for row in batch], device=device())
        tokens = torch.tensor([[EOS] * (width - len(row.prompt)) + row.prompt for row in batch], device=device())
        output = model.causal.generate(
            tokens,
            attention_mask=(torch.arange(width, device=device()) >= padding[:, None]).long(),
            generation_config=limits(MOST, do_sample=False),
            logits_processor=engine.logits_processors(batch, padding),
        )
        for row, new in zip(batch, output[:, width:].tolist(), strict=True):
            row.append(new, [EOS])
    return [row.new_ids for row in rows]


def limits(most, **distribution):
    """Where ``generate`` ends, and what it samples from."""
    from transformers import GenerationConfig

    return GenerationConfig(max_new_tokens=most, eos_token_id=EOS, pad_token_id=EOS, **distribution)


def check(results):
    """The same completions; in 16-bit formats, rounding may change some."""
    pairs = list(zip(results[REFERENCE], results[OURS], strict=True))
    same = sum(slow == fast for slow, fast in pairs)
    assert dtype() != torch.float32 or same >= 0.98 * len(pairs), (
        f"only {same} of {len(pairs)} completions are the same"
    )
    lengths = torch.tensor([len(row) for row in results[OURS]]).float()
    deciles = lengths.quantile(torch.arange(0, 11, 2) / 10).int().tolist()
    summary = (
        f"{same} of {len(pairs)} completions are the same; new tokens from {deciles[0]} to {deciles[-1]}: {deciles}"
    )
    sizes = {way: sum(map(len, rows)) / int(lengths.sum()) for way, rows in results.items()}
    return summary + "".join(f"; {way}: {times:.2f} times as many" for way, times in sizes.items() if times != 1)


BENCHMARKS = [
    Benchmark(
        name="completions",
        title="completions",
        unit="new tokens",
        sizes=tuple(batches * _rows_at_once() for batches in (1, 2, 4)),
        prepare=prepare,
        check=check,
        repetitions=2,
        least_ratio=3.0,
    )
]
