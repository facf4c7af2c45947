"""Completions against static batches in data order, by a model that is first taught when to stop.

Prompts carry a class; the model has learnt to go on until a stop that comes, class by class, after 20 to 700 tokens on
average. Both ways draw by the same law from the same streams, so that the completions are the same. On a GPU, where the
model is too large to be taught here, rows stop when they have as many tokens as such a stop would leave them, and
transformers' continuous batching runs beside.
"""

import functools
from types import SimpleNamespace

import torch

from benchmarks.comparison import OURS, REFERENCE, Benchmark, Case
from benchmarks.material import BOS, EOS, device, dtype, llama, parameters, shape

CLASSES, LESSONS, MOST = 16, 150, 1024
MEANS = torch.logspace(1.3, 2.85, CLASSES)


def prepare(count, folder):
    """So many prompts."""
    from feyntune.settings.completion import Generation

    model, sequences = _taught_model(), _prompts(count)
    batch = 64 if device().type == "cuda" else 16
    settings = Generation(temperature=1.0, min_new_tokens=20, batch_size=batch, max_new_tokens=MOST)
    rooms = _rooms(count)
    ways = {
        REFERENCE: lambda: _static(model, _rows(sequences, rooms), settings),
        OURS: lambda: _legs(model, _rows(sequences, rooms), settings),
    }
    if device().type == "cuda":
        ways["continuous"] = lambda: _continuous(model, sequences, settings)
    drawn = sum(map(len, ways[OURS]()))
    weights = parameters() * dtype().itemsize
    return Case(drawn, ways, flops=2 * parameters() * drawn, moved=weights * drawn / batch)


def _rooms(count):
    """The most new tokens of each row: the paper's, or on a GPU what the stops would leave of them."""
    if device().type == "cpu":
        return [MOST] * count
    torch.manual_seed(2)
    drawn = -MEANS[torch.randint(CLASSES, (count,))] * torch.rand(count).log()
    return drawn.clamp(20, MOST).int().tolist()


@functools.cache
def _taught_model():
    """A Llama that has learnt, if it is small, at what rate the texts of each class stop."""
    causal = llama(pad_token_id=EOS)
    if device().type == "cpu":
        _teach(causal)
    tokenizer = SimpleNamespace(eos_token_id=EOS, bos_token_id=BOS, pad_token_id=EOS)
    return SimpleNamespace(causal=causal.eval(), tokenizer=tokenizer, context=2048, ends=[EOS])


def _teach(causal):
    optimizer = torch.optim.AdamW(causal.parameters(), lr=3e-3)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1, 0, LESSONS)
    words = shape().vocab_size
    for _ in range(LESSONS):
        classes = torch.randint(CLASSES, (16, 1))
        logits = causal(_words(classes.expand(16, 32))).logits
        law = _law(classes).expand(16, 32, words)
        torch.nn.functional.cross_entropy(logits.flatten(0, 1), law.flatten(0, 1)).backward()
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()


def _law(classes):
    """Probabilities of what follows a word of a class (rows × 1 × words): the end at the class's rate, or its words."""
    words = torch.arange(shape().vocab_size)
    members = (words % CLASSES == (2 + classes) % CLASSES) & (words >= 2)
    ends = 1 / MEANS[classes]
    law = members * (1 - ends) / members.sum(1, keepdim=True)
    law[:, EOS] = ends[:, 0]
    return law[:, None]


def _words(classes):
    """Random words, each of a class."""
    return 2 + classes + CLASSES * torch.randint((shape().vocab_size - 2) // CLASSES, classes.shape)


def _prompts(count):
    """Prompts of 20 to 120 words of one class each, in the order in which a dataset would have them."""
    torch.manual_seed(1)
    lengths = torch.randint(20, 120, (count,)).tolist()
    return [[BOS, *_words(torch.randint(CLASSES, (1,)).expand(length)).tolist()] for length in lengths]


def _rows(sequences, rooms):
    from feyntune.completion import Row
    from feyntune.sampling import stream_key

    return [
        Row(index, str(index), stream_key(0, "bench", str(index)), sequence, room)
        for index, (sequence, room) in enumerate(zip(sequences, rooms, strict=True))
    ]


def _legs(model, rows, settings):
    """The project's way."""
    from feyntune.completion import Completer

    Completer(model, settings).complete(sorted(rows, key=lambda row: -len(row.prompt)), lambda *_: None)
    return [row.drawn for row in rows]


def _static(model, rows, settings):
    """Batches in data order, each until its longest row stops, by ``generate`` with the project's law."""
    from feyntune.completion import Completer
    from transformers import StoppingCriteriaList

    completer = Completer(model, settings)
    for start in range(0, len(rows), settings.batch_size):
        batch = rows[start : start + settings.batch_size]
        width = max(len(row.prompt) for row in batch)
        padding = torch.tensor([width - len(row.prompt) for row in batch], device=device())
        tokens = torch.tensor([[EOS] * (width - len(row.prompt)) + row.prompt for row in batch], device=device())
        output = model.causal.generate(
            tokens,
            attention_mask=(torch.arange(width, device=device()) >= padding[:, None]).long(),
            generation_config=_limits(do_sample=False),
            logits_processor=completer._processors(batch, padding),
            stopping_criteria=StoppingCriteriaList([_rooms_end(batch, width)]),
        )
        for row, new in zip(batch, output[:, width:].tolist(), strict=True):
            row.take(new, [EOS])
    return [row.drawn for row in rows]


def _limits(**law):
    from transformers import GenerationConfig

    return GenerationConfig(max_new_tokens=MOST, eos_token_id=EOS, pad_token_id=EOS, **law)


def _rooms_end(rows, width):
    """Ends each row when its room is full."""
    room = torch.tensor([row.room for row in rows], device=device())
    return lambda input_ids, scores, **kwargs: input_ids.shape[1] - width >= room


def _continuous(model, sequences, settings):
    """transformers' continuous batching; it draws from one stream for all rows, so its completions are others."""
    law = {"do_sample": True, "temperature": settings.temperature, "top_k": 0}
    outputs = model.causal.generate_batch(inputs=sequences, generation_config=_limits(**law))
    return [[token for token in output.generated_tokens if token != EOS] for output in outputs.values()]


def check(results):
    """The same completions; in 16-bit numbers, rounding may tell some apart."""
    pairs = list(zip(results[REFERENCE], results[OURS], strict=True))
    same = sum(slow == fast for slow, fast in pairs)
    assert dtype() != torch.float32 or same >= 0.98 * len(pairs), (
        f"only {same} of {len(pairs)} completions are the same"
    )
    lengths = torch.tensor([len(row) for row in results[OURS]]).float()
    deciles = lengths.quantile(torch.arange(0, 11, 2) / 10).int().tolist()
    return f"{same} of {len(pairs)} completions are the same; new tokens from {deciles[0]} to {deciles[-1]}: {deciles}"


BENCHMARKS = [
    Benchmark(
        name="completions",
        title="completions",
        unit="new tokens",
        sizes=(64, 128, 256),
        prepare=prepare,
        check=check,
        repetitions=2,
        least_ratio=3.0,
    )
]
