"""A really pretrained Llama on real abstracts and on stories like its training data, against direct calculations."""

import itertools
import json
import math
import os
from pathlib import Path

import numpy as np
import pyarrow.parquet
import pytest

from feyntune.config.schema.evaluation import TextsStage
from feyntune.config.schema.perplexity import PerplexityStage
from feyntune.core.files import write_table
from feyntune.data.texts import read_passages
from feyntune.evaluation.perplexity import PerplexityJob, run

DATA = Path(os.environ.get("FEYNTUNE_REAL_DATA", ""))
MODEL = DATA / "models" / "stories260K"
pytestmark = [
    pytest.mark.real_data,
    pytest.mark.skipif("FEYNTUNE_REAL_DATA" not in os.environ, reason="FEYNTUNE_REAL_DATA names no folder"),
]
STORIES = [
    "Once upon a time, there was a little girl named Lily. She loved to play outside in the park with her friends.",
    "One day, a little boy named Tim went to the park. He saw a big dog and wanted to play with the dog.",
    "Tom had a red ball. He liked to throw the ball and run after it. His mom smiled and was very happy.",
    "The cat sat on the mat. It was a sunny day and the cat wanted to sleep. Then a bird came and sang a song.",
    "Lucy was sad because she lost her toy. Her mom helped her look for it. They found the toy under the bed.",
    "There was a big tree in the garden. A bird lived in the tree. Every day the bird sang for all the children.",
]
"""In the style of the TinyStories that the model was trained on."""


@pytest.fixture(scope="module")
def abstracts():
    with open(DATA / "arxiv" / "arxiv-metadata-sample.jsonl", encoding="utf-8") as lines:
        texts = (" ".join(json.loads(line)["abstract"].split()) for line in lines)
        return list(itertools.islice((text for text in texts if 100 < len(text) < 500), 6))


@pytest.fixture(scope="module")
def evaluated(abstracts, tmp_path_factory):
    """A row for each text, stories first, as `read_texts.py` and `perplexity.py` make them of a file of plain texts."""
    folder = tmp_path_factory.mktemp("real")
    (folder / "texts.txt").write_text("\n\n".join([*STORIES, *abstracts]), encoding="utf-8")
    passages = read_passages(folder / "texts.txt", TextsStage(column="text", words=1000))
    write_table(folder / "texts.parquet", passages)
    stage = PerplexityStage.model_validate(
        {
            "run": "stories", "limit": None, "base_names": ["stories"], "quantization": {"method": "none"},
            "precision": {"dtype": "float32"}, "perplexity": {"membership": True},
        }
    )  # fmt: skip
    outputs = folder / "perplexity.parquet", folder / "embeddings.pt"
    run(PerplexityJob(stage, MODEL, None, folder / "texts.parquet", folder / "shards", *outputs, "tests"))
    rows = pyarrow.parquet.read_table(outputs[0]).to_pylist()
    texts = passages["abstract"].to_pylist()
    assert len(rows) == len(texts) == len(STORIES) + len(abstracts)
    return list(zip(texts, rows, strict=True))


@pytest.fixture(scope="module")
def directly():
    """Log-probabilities (positions x vocabulary) of a text and its token ids, from one forward pass of transformers."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(MODEL, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(MODEL)

    def compute(text):
        ids = [tokenizer.bos_token_id, *tokenizer(text, add_special_tokens=False)["input_ids"]]
        with torch.no_grad():
            logits = model(torch.tensor([ids])).logits[0].double().numpy()
        shifted = logits - logits.max(axis=1, keepdims=True)
        return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)), ids

    return compute


def test_perplexity_of_plain_texts_is_that_of_a_direct_calculation(evaluated, directly):
    for text, row in evaluated:
        logs, ids = directly(text)
        nll = -sum(logs[place, token] for place, token in enumerate(ids[1:]))
        assert row["tokens"] == len(ids) - 1
        assert row["nll"] == pytest.approx(nll, rel=1e-4)
        assert row["perplexity"] == pytest.approx(math.exp(nll / (len(ids) - 1)), rel=1e-3)
        assert row["bits_per_byte"] == pytest.approx(nll / math.log(2) / len(text.encode()), rel=1e-4)


def min_k_plus_plus(logs, ids):
    """arXiv:2404.02936, equations 3 and 4, with K of 20%, token by token."""
    scores = []
    for place, token in enumerate(ids[1:]):
        weights = np.exp(logs[place])
        mean = float(np.dot(weights, logs[place]))
        deviation = math.sqrt(float(np.dot(weights, (logs[place] - mean) ** 2)))
        scores.append((logs[place, token] - mean) / deviation)
    lowest = sorted(scores)[: max(1, int(0.2 * len(scores)))]
    return sum(lowest) / len(lowest)


def test_min_k_separates_stories_from_abstracts_as_a_direct_calculation_does(evaluated, directly):
    from feyntune.report.membership import area_under_curve

    expected = [min_k_plus_plus(*directly(text)) for text, _ in evaluated]
    scores = [row["min_k_pp"] for _, row in evaluated]
    assert scores == pytest.approx(expected, rel=1e-3)
    known, unseen = expected[: len(STORIES)], expected[len(STORIES) :]
    pairs = [(one > other) + 0.5 * (one == other) for one in known for other in unseen]
    area = area_under_curve(np.array(scores[: len(STORIES)]), np.array(scores[len(STORIES) :]), 0.95)
    assert area.auc == pytest.approx(sum(pairs) / len(pairs))
    assert area.auc > 0.8, "the model was trained on such stories, and on no abstract"
