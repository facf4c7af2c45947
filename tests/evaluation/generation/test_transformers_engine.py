"""Completions: the same whatever the batch, the order, the shards and the interruptions."""

import functools
import json
import random

import pytest
import torch

from feyntune.config.schema.generation import CompletionStage, Generation
from feyntune.config.schema.models import Precision, Quantization
from feyntune.core.errors import FeynTuneError
from feyntune.data.prompts import split_abstract
from feyntune.evaluation.generation import completions, sampling
from feyntune.evaluation.generation.transformers_engine import Completer, Row
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
    return completions.make_rows(model, stage(**generation), *prompts)[0]


def complete(model, rows, save=lambda *_: None, **generation):
    """Complete rows; returns what was drawn and why it stopped, by id."""
    Completer(model, stage(**generation).generation).complete(rows, save)
    return {row.name: (row.drawn, row.stopped) for row in rows}


def by_definition(model, row, settings):
    """One prompt by itself: no batch, no padding, no cache, a whole forward pass for every token."""
    tokens, ends = list(row.prompt), model.ends
    while len(tokens) < len(row.prompt) + row.room:
        context = torch.tensor([tokens])
        with torch.no_grad():
            scores = model.causal(context).logits[:, -1].float()
        if len(tokens) < len(row.prompt) + settings.min_new_tokens:
            scores[:, ends] = -torch.inf
        scores = sampling.warpers(settings)(context, scores)
        noise = sampling.gumbel_noise(torch.tensor([row.key]), torch.tensor([len(tokens)]), scores.shape[1])
        token = (scores + noise).argmax().item()
        if token in ends:
            return tokens[len(row.prompt) :], "eos"
        tokens.append(token)
    return tokens[len(row.prompt) :], "length"


@pytest.fixture(scope="module")
def expected(model, prompts):
    return {row.name: by_definition(model, row, stage().generation) for row in rows_of(model, prompts)}


def test_the_example_stops_in_both_ways(expected):
    assert {stopped for _, stopped in expected.values()} == {"eos", "length"}
    assert len({len(drawn) for drawn, _ in expected.values()}) > 3


@pytest.mark.parametrize("batch_size", [1, 2, 4, 5, 12, 64])
def test_a_batch_gives_what_single_prompts_give(model, prompts, expected, batch_size):
    assert complete(model, rows_of(model, prompts), batch_size=batch_size) == expected


def test_order_and_shards_change_nothing(model, prompts, expected):
    rows = rows_of(model, prompts)
    random.Random(1).shuffle(rows)
    assert complete(model, rows, shard_rows=2) == expected


def test_another_part_of_the_set_changes_nothing(model, prompts, expected):
    rows = [row for row in rows_of(model, prompts) if row.index % 3 == 0]
    assert complete(model, rows) == {row.name: expected[row.name] for row in rows}


def test_temperature_zero_takes_the_likeliest(model, prompts):
    rows = rows_of(model, prompts, temperature=0)
    drawn = complete(model, rows, temperature=0)
    context = torch.tensor([rows[0].prompt])
    with torch.no_grad():
        scores = model.causal(context).logits[0, -1]
    scores[model.ends] = -torch.inf
    assert drawn[rows[0].name][0][0] == scores.argmax().item()


def test_least_number_of_new_tokens(model, prompts, expected):
    assert min(len(drawn) for drawn, _ in expected.values()) < 30
    drawn = complete(model, rows_of(model, prompts, min_new_tokens=30), min_new_tokens=30)
    assert min(len(tokens) for tokens, _ in drawn.values()) >= 30


class Killed(Exception):
    pass


@pytest.mark.parametrize("kills", [1, 3])
def test_killed_and_resumed_equals_uninterrupted(model, prompts, expected, kills):
    """Also what a job was in the middle of goes on from the last save, and no abstract is begun twice before that."""
    tables = []

    def save(finished, growing):
        tables.append(completions.shard_table([*finished, *growing]))
        if len(tables) <= kills:
            raise Killed

    for _ in range(kills):
        rows = rows_of(model, prompts)
        with pytest.raises(Killed):
            complete(model, completions.resume(rows, tables), save, shard_rows=2)
    assert any(row["stopped"] is None and row["drawn"] for row in tables[0].to_pylist())
    rows = rows_of(model, prompts)
    waiting = completions.resume(rows, tables)
    assert 0 < len(waiting) < len(rows)
    complete(model, waiting, save, shard_rows=2)
    assert {row.name: (row.drawn, row.stopped) for row in rows} == expected


def test_no_finished_row_waits(model, prompts, monkeypatch):
    """Rows that wait take the places of those that leave: far fewer steps than batch after batch takes."""
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
    assert decoded < 1.2 * sum(len(row.drawn) + 1 for row in rows)


def test_room_is_what_the_context_leaves(model, prompts):
    rows, counts = completions.make_rows(model, stage(max_new_tokens=200), *prompts)
    assert all(row.room == min(200, 256 - len(row.prompt)) for row in rows)
    assert counts == {"truncated": 0, "capped": sum(row.room < 200 for row in rows)}
    assert counts["capped"] > 0


def test_a_prompt_that_fills_the_context_is_refused_or_cut_and_counted(model):
    prompt = "We study strings. " * 100
    with pytest.raises(FeynTuneError, match=r"1 prompts fill the model's 256 tokens: a; set generation\.too_long"):
        completions.make_rows(model, stage(), ["a"], [prompt])
    [row], counts = completions.make_rows(model, stage(too_long="truncate"), ["a"], [prompt])
    whole = model.tokenizer(prompt, add_special_tokens=False)["input_ids"]
    assert row.prompt == [model.tokenizer.bos_token_id, *whole[-127:]]
    assert (row.room, counts) == (60, {"truncated": 1, "capped": 0})


def test_logits_that_are_no_numbers_name_the_abstract(model, monkeypatch):
    weights = model.causal.get_output_embeddings().weight
    monkeypatch.setattr(weights, "data", torch.full_like(weights, torch.nan))
    with pytest.raises(FeynTuneError, match=r"^2401.00007: the model's logits are not numbers"):
        complete(model, [Row(0, "2401.00007", 1, [0, 5, 6], 10)])


def test_texts_are_cut_by_tokens_not_by_characters(model, abstracts):
    halves = [split_abstract(text) for text in abstracts[1][:2]]
    drawn = [model.tokenizer(text, add_special_tokens=False)["input_ids"] for text in (" and so on.", "")]
    rows = [
        Row(1, "b", 0, [0, 9], 60, drawn[1], "eos"),
        Row(0, "a", 0, [0, 8, 7], 60, drawn[0], "length"),
    ]
    table = completions.completion_table(model.tokenizer, rows, halves).to_pylist()
    assert table[0] == {
        "id": "a",
        "prompt": halves[0][0],
        "y_true": halves[0][1],
        "prediction": " and so on.",
        "completion": halves[0][0] + " and so on.",
        "prompt_tokens": 3,
        "new_tokens": len(drawn[0]),
        "stopped": "length",
    }
    assert (table[1]["prediction"], table[1]["new_tokens"], table[1]["stopped"]) == ("", 0, "eos")


def test_spaces_survive_a_tokenizer_that_drops_them():
    """A tokenizer in the manner of Llama 2, whose decoder strips the space at the beginning."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    bare = Tokenizer(models.BPE())
    bare.pre_tokenizer, bare.decoder = pre_tokenizers.Metaspace(), decoders.Metaspace()
    bare.train_from_iterator([". We find a gap."], trainers.BpeTrainer(show_progress=False))
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=bare)
    drawn = tokenizer.encode("We find a gap.")
    assert tokenizer.decode(drawn) == "We find a gap."
    assert completions.continuation_text(tokenizer, drawn) == " We find a gap."


def test_settings_of_the_models_folder_do_not_count(model, prompts, expected):
    model.causal.generation_config.repetition_penalty = 5.0
    assert complete(model, rows_of(model, prompts)) == expected


def test_settings_are_checked():
    with pytest.raises(ValueError, match="greater than or equal to 0"):
        Generation(temperature=-1)
    assert json.loads(stage().model_dump_json())["generation"]["top_p"] == 0.99
