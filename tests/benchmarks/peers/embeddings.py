"""Sentence embeddings of abstracts, against ``SentenceTransformer.encode``.

Ours calls the same function, and then also counts the tokens of each text, to report those that are cut.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.comparison import OURS, REFERENCE, Benchmark, Case
from benchmarks.material import SMALL
from benchmarks.peers.material import abstracts, byte_level_tokenizer, peer

BATCH = 32
TOLERANCE = 1e-6


def prepare(count: int, folder: Path) -> Case:
    """The case of so many abstracts."""
    from feyntune.evaluation.metrics.embedding import EmbeddingSettings, SentenceEmbedder

    texts = abstracts(count)
    model = _save_model(folder, texts)
    embedder = SentenceEmbedder(model, EmbeddingSettings(path=str(model), batch_size=BATCH))
    worker = peer("sentence_transformers", folder, model=str(model), texts=texts, batch=BATCH)
    ways = {REFERENCE: lambda: worker.ask({}), OURS: lambda: embedder.embed(texts)[0]}
    return Case(count, ways, processes=(worker.process.pid,))


def _save_model(folder: Path, texts: Sequence[str]) -> Path:
    """Save a sentence model of about ten million random weights; returns its folder."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
    from transformers import BertConfig, BertModel

    torch.manual_seed(0)
    names = {"vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads"}
    plain, saved = folder / "plain", folder / "sentences"
    BertModel(BertConfig(**SMALL.model_dump(include=names))).save_pretrained(plain)
    byte_level_tokenizer(texts, pad_token="</s>", model_max_length=512).save_pretrained(plain)
    SentenceTransformer(modules=[Transformer(str(plain)), Pooling(SMALL.hidden_size)]).save(str(saved))
    return saved


def check(results: dict[str, Any]) -> str:
    """Embeddings are equal to 1e-6 of the largest number."""
    theirs, ours = np.array(results[REFERENCE]), results[OURS]
    difference = np.abs(ours - theirs).max() / np.abs(theirs).max()
    assert difference < TOLERANCE, f"embeddings differ by {difference:.1e}"
    return f"{len(ours)} embeddings differ by at most {difference:.0e}"


BENCHMARKS = [
    Benchmark(
        name="sentence-transformers",
        title="sentence embeddings, against sentence-transformers' own loop",
        unit="abstracts",
        sizes=(20,),
        prepare=prepare,
        check=check,
        with_memory=False,
    )
]
