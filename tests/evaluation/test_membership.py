"""Min-K%++ against the definition, written out; and that it changes nothing else."""

import math

import pytest
import torch

from feyntune.config.schema.models import Precision, Quantization
from feyntune.config.schema.perplexity import PerplexityStage
from feyntune.core.cli import Progress
from feyntune.core.files import read_table
from feyntune.core.shards import Shards
from feyntune.evaluation import membership, perplexity
from feyntune.evaluation import perplexity_batches as batches
from feyntune.evaluation.model import load_evaluated
from feyntune.evaluation.perplexity_inputs import encode_abstracts

STAGE = PerplexityStage(
    run="tiny_base",
    limit=None,
    quantization=Quantization(method="none"),
    precision=Precision(dtype="float32"),
    perplexity={"membership": True},
    base_names=["tiny"],
)


@pytest.fixture(scope="module")
def model(tiny_model):
    return load_evaluated(tiny_model, None, STAGE)


@pytest.fixture(scope="module")
def sequences(model, abstracts):
    return encode_abstracts(model.tokens, *abstracts, "truncate").sequences


def by_definition(model, sequence):
    """The score of one sequence: a loop over tokens and vocabulary in Python's own numbers."""
    with torch.no_grad():
        logits = model.causal(torch.tensor([sequence])).logits[0].double()
    scores = []
    for place, token in enumerate(sequence[1:]):
        logs = logits[place].log_softmax(0).tolist()
        mean = sum(math.exp(log) * log for log in logs)
        variance = sum(math.exp(log) * log**2 for log in logs) - mean**2
        scores.append((logs[token] - mean) / math.sqrt(variance))
    lowest = sorted(scores)[: max(1, int(0.2 * len(scores)))]
    return sum(lowest) / len(lowest)


def test_scores_are_those_of_the_definition_also_in_chunks(model, sequences, monkeypatch):
    expected = [by_definition(model, sequence) for sequence in sequences[:3]]
    _, _, scores = batches.evaluate_batch_with_membership(model.causal, sequences[:3], 1)
    assert scores == pytest.approx(expected, rel=1e-4)
    monkeypatch.setattr(membership, "LOGITS_AT_ONCE", 1)
    _, _, chunked = batches.evaluate_batch_with_membership(model.causal, sequences[:3], 1)
    assert chunked == pytest.approx(scores, rel=1e-5)


def test_a_text_of_one_token_has_a_score(model, sequences):
    _, _, [score] = batches.evaluate_batch_with_membership(model.causal, [sequences[0][:2]], 1)
    assert score == pytest.approx(by_definition(model, sequences[0][:2]), rel=1e-4)


def test_perplexities_and_embeddings_stay_as_they_are(model, abstracts, sequences, tmp_path):
    tables = []
    for asked in (False, True):
        with Progress("perplexity") as progress:
            shards = Shards(tmp_path / str(asked), {})
            tables.append(batches.evaluate_all(model, abstracts[0], sequences, 500, shards, progress, asked))
    assert tables[0].column_names == ["index", "nll", "embedding"]
    assert tables[1].select(tables[0].column_names).equals(tables[0])


def test_the_table_has_the_score_behind_its_fixed_columns(model, abstracts, dataset, tiny_model, tmp_path):
    paths = tmp_path / "p.parquet", tmp_path / "e.pt"
    job = perplexity.PerplexityJob(
        STAGE.model_copy(update={"limit": 2}), tiny_model, None, dataset, tmp_path / "shards", *paths, code=""
    )
    perplexity.run(job)
    table = read_table(paths[0])
    assert table.column_names == ["id", "tokens", "nll", "perplexity", "bits_per_byte", "min_k_pp"]
    assert all(math.isfinite(score) for score in table["min_k_pp"].to_pylist())
