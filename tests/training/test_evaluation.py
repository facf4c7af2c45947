"""Loss and perplexity do not depend on the batches; completions are the same at each call."""

import math

import numpy as np
import pytest

from feyntune.config.schema.training import TrainingEvaluation
from feyntune.models.likelihood import batches_by_length
from feyntune.models.tokenizer import load_tokenizer
from feyntune.training.data import ControlPrompt, TrainingData, encode_abstracts
from feyntune.training.evaluation import Evaluator, negative_log_likelihoods, summarise
from support.small_training import SENTENCES


@pytest.fixture(scope="module")
def model(tiny_model):
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(tiny_model).eval()


@pytest.fixture(scope="module")
def tokenizer(tiny_model):
    return load_tokenizer(tiny_model)


@pytest.fixture(scope="module")
def sequences(tokenizer):
    return encode_abstracts(tokenizer, [*SENTENCES, " ".join(SENTENCES)], None, "refuse", "here")[0]


def log_probability(model, sequence, position):
    """ln p(token | tokens before), from one pass over exactly the tokens before it."""
    import torch

    with torch.no_grad():
        logits = model(input_ids=torch.tensor([sequence[:position].tolist()])).logits[0, -1]
    return torch.log_softmax(logits, -1)[int(sequence[position])].item()


def test_sums_equal_those_token_by_token(model, tokenizer, sequences):
    import torch

    with torch.no_grad():
        sums = negative_log_likelihoods(model, sequences, tokenizer.eos_token_id)
    for row, sequence in zip(sums, sequences, strict=True):
        nats = [-log_probability(model, sequence, position) for position in range(1, len(sequence))]
        expected = [sum(nats[:-1]), len(nats) - 1, sum(nats), len(nats)]
        assert row == pytest.approx(expected, rel=1e-4)


def test_summary_equals_values_computed_by_hand():
    sums = np.array([[2 * math.log(3), 2, 2 * math.log(3) + 1, 3], [math.log(5), 1, math.log(5) + 2, 2]])
    assert summarise(sums) == {
        "loss": pytest.approx((2 * math.log(3) + math.log(5) + 3) / 5),
        "perplexity": pytest.approx((3 + 5) / 2),
    }


def test_batches_contain_every_sequence_once_within_the_budget(sequences):
    lengths = [len(sequence) for sequence in sequences]
    batches = batches_by_length(lengths, 100, 8)
    assert sorted(item for batch in batches for item in batch) == list(range(len(sequences)))
    assert all(len(batch) * math.ceil(lengths[batch[0]] / 8) * 8 <= 100 for batch in batches if len(batch) > 1)


def evaluator(sequences, tokenizer, budget, **settings):
    prompts = [SENTENCES[0], SENTENCES[1]]
    control_prompts = [
        ControlPrompt(str(number), text, tokenizer(text)["input_ids"]) for number, text in enumerate(prompts)
    ]
    data = TrainingData(
        train=[], test_sample=sequences, train_sample=sequences[:2], control_prompts=control_prompts, too_long={}
    )
    given = TrainingEvaluation(**{"max_new_tokens": 5, "temperature": 1.0, "top_p": 1.0, **settings})
    return Evaluator(data, tokenizer, given, budget, 256, seed=3)


def test_loss_and_perplexity_do_not_depend_on_the_batches(model, tokenizer, sequences):
    one, many = (evaluator(sequences, tokenizer, budget)(model) for budget in (1, 10_000))
    names = ["test_loss", "test_perplexity", "train_loss", "train_perplexity"]
    assert [one[name] for name in names] == pytest.approx([many[name] for name in names], rel=1e-5)


def test_completions_are_the_same_at_each_call_and_vary_with_the_seed(model, tokenizer, sequences):
    first = evaluator(sequences, tokenizer, 1000)
    other = evaluator(sequences, tokenizer, 1000)
    other.seed = 4
    assert first(model)["control_prompts"] == first(model)["control_prompts"]
    assert first(model)["control_prompts"] != other(model)["control_prompts"]


def test_temperature_zero_takes_the_most_probable_token(model, tokenizer, sequences):
    ours = evaluator(sequences, tokenizer, 1000, temperature=0, max_new_tokens=1)
    (paper, _) = ours(model)["control_prompts"]
    tokens = ours.control_prompts[0].tokens
    best = max(range(len(tokenizer)), key=lambda token: log_probability(model, np.array([*tokens, token]), len(tokens)))
    assert paper["completion"] == tokenizer.decode([best], skip_special_tokens=True)


def test_completions_stay_within_the_context(model, tokenizer, sequences, monkeypatch):
    limits = []
    monkeypatch.setattr(
        model, "generate", lambda max_new_tokens, input_ids, **_: (limits.append(max_new_tokens), input_ids)[1]
    )
    ours = evaluator(sequences, tokenizer, 1000, max_new_tokens=1024)
    ours(model)
    ours.context = max(len(paper.tokens) for paper in ours.control_prompts) + 3
    ours(model)
    assert limits == [256 - ours.context + 3, 3]
