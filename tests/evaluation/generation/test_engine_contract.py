"""What every generation engine must do: texts by definition, whatever the batch, the order, the saves and the kills.

`make test` runs it on the built-in engine; `make test-vllm` on vLLM, in vLLM's environment.
"""

import copy
import random

import pytest
import torch
from transformers import AutoModelForCausalLM

from feyntune.config.schema.generation import CompletionStage
from feyntune.config.schema.models import Precision, Quantization
from feyntune.core.errors import FeynTuneError
from feyntune.data.prompts import split_abstract
from feyntune.evaluation.generation import engine_loader, sampling
from feyntune.evaluation.generation.completions import CompletionJob, make_rows, resume, shard_table
from feyntune.evaluation.generation.engine import Row
from feyntune.models.tokens import load_tokens
from support.distributions import ROWS, SCORES, SETTINGS, WORDS, distribution, p_value

GENERATION = {"max_new_tokens": 60, "temperature": 1.0, "top_p": 0.99, "batch_size": 4}


@pytest.fixture(params=["transformers", pytest.param("vllm", marks=pytest.mark.vllm)])
def engine(request):
    """Name of an engine."""
    return request.param


def stage(**generation):
    return CompletionStage(
        run="wide_base",
        seed=42,
        limit=None,
        quantization=Quantization(method="none"),
        precision=Precision(dtype="float32"),
        generation={**GENERATION, **generation},
        base_names=["wide"],
    )


@pytest.fixture(scope="module")
def model(wide_model):
    return AutoModelForCausalLM.from_pretrained(wide_model).eval()


@pytest.fixture(scope="module")
def tokens(wide_model):
    return load_tokens(wide_model)


@pytest.fixture
def make(tokens, abstracts):
    """A function that makes the rows of a dozen abstracts."""
    ids, texts = abstracts
    prompts = [split_abstract(text)[0] for text in texts]
    return lambda **generation: make_rows(tokens, stage(**generation), ids, prompts)[0]


@pytest.fixture
def complete(engine, wide_model, tokens):
    """A function that completes rows with the engine; returns new tokens and stop reason by id."""

    def run(rows, save=lambda *_: None, base=wide_model, **generation):
        job = CompletionJob(stage(**generation), base, None, None, None, None, "code")
        engine_loader(engine)(job, tokens, rows).complete(rows, save)
        return results(rows)

    return run


def results(rows):
    return {row.name: (row.new_ids, row.stopped) for row in rows}


def by_definition(model, tokens, row, settings):
    """One prompt by itself: no batch, no padding, no cache, a whole forward pass for every token."""
    sequence = list(row.prompt)
    while len(sequence) < len(row.prompt) + row.max_new_tokens:
        context = torch.tensor([sequence])
        with torch.no_grad():
            scores = model(context).logits[:, -1].float()
        if len(sequence) < len(row.prompt) + settings.min_new_tokens:
            scores[:, tokens.eos_ids] = -torch.inf
        if settings.temperature > 0:
            scores = sampling.distribution_processors(settings)(context, scores)
            scores += sampling.gumbel_noise(torch.tensor([row.key]), torch.tensor([len(sequence)]), scores.shape[1])
        token = scores.argmax().item()
        if token in tokens.eos_ids:
            return sequence[len(row.prompt) :], "eos"
        sequence.append(token)
    return sequence[len(row.prompt) :], "length"


@pytest.fixture(scope="module")
def reference(model, tokens):
    """A function that completes rows by definition."""
    return lambda rows, **generation: {
        row.name: by_definition(model, tokens, row, stage(**generation).generation) for row in rows
    }


@pytest.fixture(scope="module")
def expected(reference, tokens, abstracts):
    ids, texts = abstracts
    return reference(make_rows(tokens, stage(), ids, [split_abstract(text)[0] for text in texts])[0])


def test_the_example_has_both_stop_reasons(expected):
    assert {stopped for _, stopped in expected.values()} == {"eos", "length"}
    assert len({len(new) for new, _ in expected.values()}) > 3


def test_texts_are_those_of_the_definition(complete, make, expected):
    assert complete(make()) == expected


def test_order_batch_and_shards_change_nothing_and_each_row_is_saved_once(complete, make, expected):
    rows, saved = make(), []
    random.Random(1).shuffle(rows)

    def save(finished, unfinished):
        assert all(row.stopped for row in finished) and not any(row.stopped for row in unfinished)
        saved.append([row.name for row in finished])

    assert complete(rows, save, shard_rows=2, batch_size=5) == expected
    assert sorted(name for names in saved for name in names) == sorted(expected)
    assert 3 <= len(saved) <= 6


def test_another_part_of_the_set_changes_nothing(complete, make, expected):
    rows = [row for row in make() if row.index % 3 == 0]
    assert complete(rows, batch_size=1) == {row.name: expected[row.name] for row in rows}


def test_each_row_has_its_own_limit(complete, make, expected):
    rows = make()
    for row in rows:
        row.max_new_tokens = 1 + 2 * row.index
    for name, (new, stopped) in complete(rows).items():
        limit = next(row.max_new_tokens for row in rows if row.name == name)
        assert new == expected[name][0][:limit]
        assert stopped == ("eos" if len(new) < limit else "length")


def test_greedy_decoding_with_a_minimum_of_new_tokens(complete, make, reference):
    settings = {"temperature": 0, "min_new_tokens": 30, "max_new_tokens": 40, "batch_size": "auto"}
    completed = complete(make(**settings), **settings)
    assert completed == reference(make(**settings), **settings)
    assert min(len(new) for new, _ in completed.values()) >= 30


class Killed(Exception):
    pass


def test_killed_and_resumed_equals_uninterrupted(complete, make, expected):
    tables = []

    def save(finished, unfinished):
        tables.append(shard_table([*finished, *unfinished]))
        if len(tables) == 1:
            raise Killed

    with pytest.raises(Killed):
        complete(make(), save, shard_rows=2)
    rows = make()
    waiting = resume(rows, tables)
    assert 0 < len(waiting) < len(rows)
    complete(waiting, save, shard_rows=2)
    assert results(rows) == expected


def test_nan_logits_name_the_abstract(complete, model, wide_model, tmp_path):
    tokenizer = load_tokens(wide_model).tokenizer
    tokenizer.save_pretrained(tmp_path)
    large = copy.deepcopy(model)
    large.model.norm.weight.data.fill_(3e38)  # a finite weight; products of both signs are infinite, and their sum NaN
    large.save_pretrained(tmp_path)
    with pytest.raises(FeynTuneError, match=r"^2401.00007: the model's logits are NaN"):
        complete([Row(0, "2401.00007", 1, [0, 5, 6], 10)], base=tmp_path)


def test_first_tokens_follow_the_distribution(complete, model, tokens):
    """All settings at once, over the whole vocabulary, on one prompt with many keys."""
    settings = {"temperature": 1.5, "top_k": 40, "top_p": 0.95, "min_p": 0.02}
    prompt = [0, 70, 71, 72]
    rows = [Row(index, str(index), 7919 * index, prompt, 1) for index in range(3000)]
    first = complete(rows, min_new_tokens=1, max_new_tokens=1, batch_size=256, **settings)
    with torch.no_grad():
        scores = model(torch.tensor([prompt])).logits[0, -1]
    scores[tokens.eos_ids] = -torch.inf
    chances = distribution(**settings, scores=scores)
    assert p_value([new[0] for new, _ in first.values()], chances) > 0.001


@pytest.mark.vllm
@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_vllms_sampler_follows_the_distribution(settings):
    from vllm import SamplingParams
    from vllm.v1.sample.logits_processor import BatchUpdate

    from feyntune.evaluation.generation.vllm_sampling import sampler

    device = torch.device("cpu")
    rows = sampler(stage(min_new_tokens=0, **{"top_p": 1.0, **settings}).generation, [1])(None, device, False)
    added = [
        (row, SamplingParams(extra_args={"name": str(row), "key": 7919 * row, "prompt_tokens": 4}), None, [])
        for row in range(ROWS)
    ]
    rows.update_state(BatchUpdate(ROWS, [], added, []))
    sampled = rows.apply(SCORES.expand(ROWS, WORDS).clone()).argmax(dim=1)
    assert p_value(sampled, distribution(**settings)) > 0.001
