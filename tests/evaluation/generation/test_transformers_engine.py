"""The built-in engine: completions do not depend on batch, order, shards and interruptions."""

import functools
import json
import weakref

import pytest
import torch
import transformers

from feyntune.config.schema.generation import CompletionStage, Generation
from feyntune.config.schema.models import Precision, Quantization
from feyntune.core.errors import FeynTuneError
from feyntune.data.prompts import split_abstract
from feyntune.evaluation.generation import completions, sampling, transformers_engine
from feyntune.evaluation.generation.engine import Row
from feyntune.evaluation.generation.transformers_engine import TransformersEngine
from feyntune.evaluation.model import load_evaluated

GENERATION = {"max_new_tokens": 60, "temperature": 1.0, "top_p": 0.99, "batch_size": 4}


def stage(**generation):
    return CompletionStage(
        run="tiny_base",
        seed=42,
        limit=None,
        quantization=Quantization(method="none"),
        precision=Precision(dtype="float32"),
        generation={**GENERATION, **generation},
        base_names=["tiny"],
    )


@pytest.fixture(scope="module")
def model(tiny_model):
    return load_evaluated(tiny_model, None, stage())


@pytest.fixture(scope="module")
def prompts(abstracts):
    ids, texts = abstracts
    return ids, [split_abstract(text)[0] for text in texts]


def rows_of(model, prompts, **generation):
    return completions.make_rows(model.tokens, stage(**generation), *prompts)[0]


def complete(model, rows, save=lambda *_: None, **generation):
    """Complete rows; returns new tokens and stop reason by id."""
    settings = stage(**generation).generation
    TransformersEngine(model, settings, settings.batch_size).complete(rows, save)
    return {row.name: (row.new_ids, row.stopped) for row in rows}


def by_definition(model, row, settings):
    """One prompt by itself: no batch, no padding, no cache, a whole forward pass for every token."""
    tokens, eos_ids = list(row.prompt), model.tokens.eos_ids
    while len(tokens) < len(row.prompt) + row.max_new_tokens:
        context = torch.tensor([tokens])
        with torch.no_grad():
            scores = model.causal(context).logits[:, -1].float()
        if len(tokens) < len(row.prompt) + settings.min_new_tokens:
            scores[:, eos_ids] = -torch.inf
        scores = sampling.distribution_processors(settings)(context, scores)
        noise = sampling.gumbel_noise(torch.tensor([row.key]), torch.tensor([len(tokens)]), scores.shape[1])
        token = (scores + noise).argmax().item()
        if token in eos_ids:
            return tokens[len(row.prompt) :], "eos"
        tokens.append(token)
    return tokens[len(row.prompt) :], "length"


@pytest.fixture(scope="module")
def expected(model, prompts):
    return {row.name: by_definition(model, row, stage().generation) for row in rows_of(model, prompts)}


@pytest.mark.parametrize("batch_size", [1, 2, 4, 5, 12, 64])
def test_a_batch_gives_what_single_prompts_give(model, prompts, expected, batch_size):
    assert complete(model, rows_of(model, prompts), batch_size=batch_size) == expected


class Killed(Exception):
    pass


@pytest.mark.parametrize("kills", [1, 3])
def test_killed_and_resumed_equals_uninterrupted(model, prompts, expected, kills):
    """Unfinished rows continue from the last save, and no abstract is begun twice."""
    tables = []

    def save(finished, growing):
        tables.append(completions.shard_table([*finished, *growing]))
        if len(tables) <= kills:
            raise Killed

    for _ in range(kills):
        rows = rows_of(model, prompts)
        with pytest.raises(Killed):
            complete(model, completions.resume(rows, tables), save, shard_rows=2)
    assert any(row["stopped"] is None and row["new_ids"] for row in tables[0].to_pylist())
    rows = rows_of(model, prompts)
    waiting = completions.resume(rows, tables)
    assert 0 < len(waiting) < len(rows)
    complete(model, waiting, save, shard_rows=2)
    assert {row.name: (row.new_ids, row.stopped) for row in rows} == expected


def test_no_finished_row_stays_in_the_batch(model, prompts, monkeypatch):
    """Waiting rows replace finished ones, which takes far fewer steps than one batch after the other."""
    steps = []
    forward = type(model.causal).forward

    @functools.wraps(forward)
    def counted(self, input_ids, **inputs):
        steps.append(input_ids.shape)
        return forward(self, input_ids, **inputs)

    monkeypatch.setattr(type(model.causal), "forward", counted)
    rows = rows_of(model, prompts, max_new_tokens=150)
    complete(model, rows, max_new_tokens=150)
    decoded = sum(shape[0] for shape in steps if shape[1] == 1)
    assert decoded < 1.2 * sum(len(row.new_ids) + 1 for row in rows)


def test_old_caches_are_released_before_the_next_segment(model, prompts, monkeypatch):
    """While rows grow, the cache of their batch is the only one in memory, also after rows were replaced."""
    caches, alive = [], []

    def tracked(function):
        @functools.wraps(function)
        def call(*arguments):
            cache = function(*arguments)
            caches.append(cache)
            return cache

        return call

    for name in ("empty_cache", "join_caches"):
        monkeypatch.setattr(transformers_engine, name, tracked(getattr(transformers_engine, name)))
    forward = type(model.causal).forward

    @functools.wraps(forward)
    def counted(self, input_ids, past_key_values, **inputs):
        if input_ids.shape[1] == 1:  # not the first forward pass over new prompts, beside which others wait
            alive.append(sum(bool(each.layers and each.layers[0].is_initialized) for each in references()))
        return forward(self, input_ids, past_key_values=past_key_values, **inputs)

    def references():
        seen = [weakref.ref(cache) for cache in caches]
        caches.clear()
        held.extend(seen)
        return [cache for cache in (reference() for reference in held) if cache is not None]

    held = []
    monkeypatch.setattr(type(model.causal), "forward", counted)
    complete(model, rows_of(model, prompts))
    assert len(held) > 10
    assert set(alive) == {1}


def test_decoding_never_uses_flash_attention(tiny_model, monkeypatch):
    asked = []
    from_pretrained = transformers.AutoModelForCausalLM.from_pretrained

    def noted(*arguments, attn_implementation, **options):
        asked.append(attn_implementation)
        return from_pretrained(*arguments, attn_implementation="eager", **options)

    monkeypatch.setattr(transformers.AutoModelForCausalLM, "from_pretrained", noted)
    for attention in ("auto", "flash_attention_2", "sdpa", "eager"):
        settings = stage().model_copy(update={"precision": Precision(dtype="float32", attention=attention)})
        load_evaluated(tiny_model, None, settings, decoding=True)
    assert asked == ["sdpa", "sdpa", "sdpa", "eager"]


def test_the_context_limits_new_tokens(model, prompts):
    rows, counts = completions.make_rows(model.tokens, stage(max_new_tokens=200), *prompts)
    assert all(row.max_new_tokens == min(200, 256 - len(row.prompt)) for row in rows)
    assert counts == {"truncated": 0, "capped": sum(row.max_new_tokens < 200 for row in rows)}
    assert counts["capped"] > 0


def test_a_prompt_that_fills_the_context_is_refused_or_cut_and_counted(model):
    prompt = "We study strings. " * 100
    with pytest.raises(FeynTuneError, match=r"1 prompts fill the model's 256 tokens: a; set generation\.too_long"):
        completions.make_rows(model.tokens, stage(), ["a"], [prompt])
    [row], counts = completions.make_rows(model.tokens, stage(too_long="truncate"), ["a"], [prompt])
    whole = model.tokens.tokenizer(prompt, add_special_tokens=False)["input_ids"]
    assert row.prompt == [model.tokens.tokenizer.bos_token_id, *whole[-127:]]
    assert (row.max_new_tokens, counts) == (60, {"truncated": 1, "capped": 0})


def test_texts_are_cut_by_tokens_not_by_characters(model, abstracts):
    halves = [split_abstract(text) for text in abstracts[1][:2]]
    new = [model.tokens.tokenizer(text, add_special_tokens=False)["input_ids"] for text in (" and so on.", "")]
    rows = [
        Row(1, "b", 0, [0, 9], 60, new[1], "eos"),
        Row(0, "a", 0, [0, 8, 7], 60, new[0], "length"),
    ]
    table = completions.completion_table(model.tokens.tokenizer, rows, halves).to_pylist()
    assert table[0] == {
        "id": "a",
        "prompt": halves[0][0],
        "y_true": halves[0][1],
        "prediction": " and so on.",
        "completion": halves[0][0] + " and so on.",
        "prompt_tokens": 3,
        "new_tokens": len(new[0]),
        "stopped": "length",
    }
    assert (table[1]["prediction"], table[1]["new_tokens"], table[1]["stopped"]) == ("", 0, "eos")


def test_spaces_survive_a_tokenizer_that_drops_them():
    """A tokenizer like that of Llama 2, whose decoder strips the space at the beginning."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    bare = Tokenizer(models.BPE())
    bare.pre_tokenizer, bare.decoder = pre_tokenizers.Metaspace(), decoders.Metaspace()
    bare.train_from_iterator([". We find a gap."], trainers.BpeTrainer(show_progress=False))
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=bare)
    new = tokenizer.encode("We find a gap.")
    assert tokenizer.decode(new) == "We find a gap."
    assert completions.continuation_text(tokenizer, new) == " We find a gap."


def test_generation_settings_in_the_models_folder_do_not_apply(model, prompts, expected):
    model.causal.generation_config.repetition_penalty = 5.0
    assert complete(model, rows_of(model, prompts)) == expected


def test_settings_are_checked():
    with pytest.raises(ValueError, match="greater than or equal to 0"):
        Generation(temperature=-1)
    assert json.loads(stage().model_dump_json())["generation"]["top_p"] == 0.99
