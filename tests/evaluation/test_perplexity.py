"""Perplexities and embeddings: against values by other means, and independent of the batches."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from feyntune.config.schema.models import Precision, Quantization
from feyntune.config.schema.perplexity import PerplexityStage
from feyntune.core.cli import Progress
from feyntune.core.errors import FeynTuneError
from feyntune.core.files import read_table
from feyntune.core.shards import Shards
from feyntune.evaluation import perplexity_batches as batches
from feyntune.evaluation.model import load_evaluated
from feyntune.evaluation.perplexity import PerplexityJob
from feyntune.evaluation.perplexity_inputs import encode_abstracts
from feyntune.evaluation.perplexity_results import perplexity_table, write_results
from feyntune.models import likelihood

STAGE = PerplexityStage(
    run="tiny_base",
    limit=None,
    quantization=Quantization(method="none"),
    precision=Precision(dtype="float32"),
    perplexity={},
    base_names=["tiny"],
)


@pytest.fixture(scope="module")
def model(tiny_model):
    return load_evaluated(tiny_model, None, STAGE)


@pytest.fixture(scope="module")
def encoded(model, abstracts):
    return encode_abstracts(model.tokens, *abstracts, "truncate")


def evaluate(model, abstracts, encoded, shards, batch_tokens=500):
    with Progress("perplexity") as progress:
        return batches.evaluate_all(model, abstracts[0], encoded.sequences, batch_tokens, shards, progress)


def test_batches_hold_the_budget_and_everything_once():
    lengths = [5, 90, 7, 7, 30, 1, 12, 200]
    batches = likelihood.batches_by_length(lengths, 60)
    assert sorted(index for batch in batches for index in batch) == list(range(8))
    assert all(len(batch) * max(lengths[index] for index in batch) <= 60 for batch in batches[2:])
    assert batches[:2] == [[7], [1]]  # each over the budget by itself, longest first


def test_perplexity_is_that_of_the_definition(model, encoded):
    sequence = encoded.sequences[3]
    [nll], _ = batches.evaluate_batch(model.causal, [sequence], 1)
    with torch.no_grad():
        logits = model.causal(torch.tensor([sequence])).logits[0].double()
    by_hand = -sum(logits[place].log_softmax(0)[token].item() for place, token in enumerate(sequence[1:]))
    assert nll == pytest.approx(by_hand, rel=1e-6)


def test_embedding_is_the_mean_of_last_hidden_states_without_bos(model, encoded):
    sequence = encoded.sequences[3]
    _, [embedding] = batches.evaluate_batch(model.causal, [sequence], 1)
    with torch.no_grad():
        states = model.causal(torch.tensor([sequence]), output_hidden_states=True).hidden_states[-1][0]
    assert torch.allclose(torch.from_numpy(embedding), states[1:].mean(0), atol=1e-5)
    assert torch.allclose(batches.bos_state(model), states[0], atol=1e-5)


def test_a_batch_gives_what_single_abstracts_give(model, encoded):
    losses, embeddings = batches.evaluate_batch(model.causal, encoded.sequences, 1)
    for sequence, loss, embedding in zip(encoded.sequences, losses, embeddings, strict=True):
        [alone], [embedding_alone] = batches.evaluate_batch(model.causal, [sequence], 1)
        assert loss == pytest.approx(alone, rel=1e-5)
        assert np.allclose(embedding, embedding_alone, atol=1e-5)


def test_cross_entropy_in_chunks_changes_nothing(model, encoded, monkeypatch):
    whole, _ = batches.evaluate_batch(model.causal, encoded.sequences, 1)
    monkeypatch.setattr(likelihood, "LOGITS_AT_ONCE", 1)
    chunked, _ = batches.evaluate_batch(model.causal, encoded.sequences, 1)
    assert chunked == pytest.approx(whole, rel=1e-6)


def test_interrupted_equals_uninterrupted(model, abstracts, encoded, tmp_path, monkeypatch):
    whole = evaluate(model, abstracts, encoded, Shards(tmp_path / "whole", {}))
    monkeypatch.setattr(batches, "SECONDS_BETWEEN_SHARDS", -1)
    monkeypatch.setattr(batches, "evaluate_batch", fails_after(batches.evaluate_batch, 2))
    with pytest.raises(KeyboardInterrupt):
        evaluate(model, abstracts, encoded, Shards(tmp_path / "cut", {}))
    monkeypatch.setattr(batches, "evaluate_batch", batches.evaluate_batch.whole)
    left = Shards(tmp_path / "cut", {})
    assert sum(len(table) for table in left.read()) > 0
    assert evaluate(model, abstracts, encoded, left).equals(whole)


def fails_after(function, times):
    """The function, interrupted after so many calls."""
    calls = []

    def failing(*arguments):
        calls.append(arguments)
        if len(calls) > times:
            raise KeyboardInterrupt
        return function(*arguments)

    failing.whole = function
    return failing


def test_table_by_hand():
    table = perplexity_table(["a"], ["Müon"], [2], [2 * math.log(8)])
    assert table.to_pylist() == [
        {
            "id": "a",
            "tokens": 2,
            "nll": 2 * math.log(8),
            "perplexity": pytest.approx(8),
            "bits_per_byte": pytest.approx(6 / 5),
        }
    ]


def test_too_long_is_refused_or_cut_and_counted(model, abstracts):
    ids, texts = abstracts
    with pytest.raises(FeynTuneError, match=r"abstracts exceed the model's 256 tokens: .*truncate"):
        encode_abstracts(model.tokens, ids, [*texts[:-1], texts[-1] * 5], "refuse")
    encoded = encode_abstracts(model.tokens, ["a"], [texts[-1] * 5], "truncate")
    assert (encoded.truncated, len(encoded.sequences[0])) == (1, 256)
    assert (texts[-1] * 5).startswith(encoded.texts[0])


def test_an_abstract_without_tokens_is_named(model):
    with pytest.raises(FeynTuneError, match="1 abstracts have no token to evaluate: b"):
        encode_abstracts(model.tokens, ["a", "b"], ["text", ""], "refuse")


def test_nan_logits_name_the_abstract(model, abstracts, encoded, tmp_path, monkeypatch):
    weights = model.causal.get_output_embeddings().weight
    monkeypatch.setattr(weights, "data", torch.full_like(weights, torch.nan))
    with pytest.raises(FeynTuneError, match=r"^2401.00011: the model's logits are not finite"):
        evaluate(model, abstracts, encoded, Shards(tmp_path, {}))


def test_logits_changed_behind_the_head_are_refused(model, encoded, monkeypatch):
    batches.check_head(model.causal, encoded.sequences[0])
    forward = type(model.causal).forward

    def capped(self, **inputs):
        output = forward(self, **inputs)
        output.logits = output.logits.tanh()
        return output

    monkeypatch.setattr(type(model.causal), "forward", capped)
    with pytest.raises(FeynTuneError, match="changes its logits after the head"):
        batches.check_head(model.causal, encoded.sequences[0])


def test_files_are_written_in_the_datasets_order_and_are_the_same_twice(model, abstracts, encoded, tmp_path):
    ids, _ = abstracts
    for name in ("first", "second"):
        results = evaluate(model, abstracts, encoded, Shards(tmp_path / "shards", {}))
        paths = tmp_path / f"{name}.parquet", tmp_path / f"{name}.pt"
        job = PerplexityJob(STAGE, Path(), None, Path(), tmp_path, *paths, code="")
        write_results(job, model, ids, encoded, results)
    table = read_table(tmp_path / "first.parquet")
    assert table["id"].to_pylist() == ids
    assert table["tokens"].to_pylist() == [len(sequence) - 1 for sequence in encoded.sequences]
    content = torch.load(tmp_path / "first.pt", weights_only=True)
    assert content["ids"] == ids
    assert content["embeddings"].shape == (len(ids), 32)
    assert content["settings"] == STAGE.model_dump(mode="json")
    for suffix in ("parquet", "pt"):
        assert (tmp_path / f"first.{suffix}").read_bytes() == (tmp_path / f"second.{suffix}").read_bytes()
    metadata = json.loads(table.schema.metadata[b"feyntune"])
    assert metadata["token_conventions"]["scoring"] == "BOS text"
