"""SemScores of twenty runs, the true texts embedded once, against the true texts embedded again for each run.

Both ways give the reference's score and that of the continuation, with the same sentence model.
"""

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.comparison import OURS, REFERENCE, Benchmark, Case
from benchmarks.material import SMALL, realistic_lengths

if TYPE_CHECKING:
    import pyarrow

    from feyntune.evaluation.metrics.embedding import Embedding

Texts = tuple[list[str], list[str]]
"""Whole texts and their second halves."""
RUNS = 20
WORDS = [f"{first}{second}{third}" for first in "bdfgklmn" for second in "aeiou" for third in "prstvxz"]


def prepare(count: int, folder: Path) -> Case:
    """Abstracts, and their completions by twenty runs."""
    metric = _metric(folder.parent / "sentences")
    truth, runs = _texts(count, 0), [_texts(count, number) for number in range(1, RUNS + 1)]
    ways = {REFERENCE: lambda: _again(metric, truth, runs), OURS: lambda: _once(metric, truth, runs)}
    return Case(RUNS * count, ways)


def _texts(count: int, seed: int) -> Texts:
    """Abstracts of made-up words, and their second halves; of equal lengths, so that all runs cost the same."""
    draw = np.random.default_rng(seed)
    texts = [draw.choice(WORDS, length // 2).tolist() for length in realistic_lengths(count)]
    return [" ".join(words) for words in texts], [" ".join(words[len(words) // 2 :]) for words in texts]


@functools.cache
def _metric(folder: Path) -> "Embedding":
    """A sentence model of about ten million random weights, as the project loads it."""
    from feyntune.evaluation.metrics.embedding import Embedding, EmbeddingSettings

    if not (folder / "modules.json").is_file():
        _save_sentence_model(folder)
    return Embedding(EmbeddingSettings(path=str(folder), batch_size=32), folder)


def _save_sentence_model(folder: Path) -> None:
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    torch.manual_seed(0)
    names = {"hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads"}
    plain = Path(folder) / "plain"
    BertModel(BertConfig(vocab_size=4096, **SMALL.model_dump(include=names))).save_pretrained(plain)
    vocabulary = {word: number for number, word in enumerate(["[PAD]", "[UNK]", *WORDS])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, "[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", model_max_length=512
    )
    fast.save_pretrained(plain)
    transformer = Transformer(str(plain))
    SentenceTransformer(modules=[transformer, Pooling(SMALL.hidden_size)]).save(str(folder))


def _prepared(metric: "Embedding", truth: Texts) -> "dict[str, np.ndarray]":
    from feyntune.evaluation.metrics.base import Abstracts

    return metric.prepare(Abstracts(_ids(truth), truth[0], truth[0], truth[1]))


def _scores(metric: "Embedding", reference: "dict[str, np.ndarray]", run: Texts) -> "pyarrow.Table":
    from feyntune.evaluation.metric_jobs import metric_table
    from feyntune.evaluation.metrics.base import Completions

    completions = Completions(_ids(run), run[0], run[1], run[1], run[0])
    return metric_table(metric, completions.ids, metric.score(completions, reference))


def _ids(texts: Texts) -> list[str]:
    return [str(number) for number in range(len(texts[0]))]


def _again(metric: "Embedding", truth: Texts, runs: Sequence[Texts]) -> "list[pyarrow.Table]":
    return [_scores(metric, _prepared(metric, truth), run) for run in runs]


def _once(metric: "Embedding", truth: Texts, runs: Sequence[Texts]) -> "list[pyarrow.Table]":
    prepared = _prepared(metric, truth)
    return [_scores(metric, prepared, run) for run in runs]


def check(results: "dict[str, list[pyarrow.Table]]") -> str:
    """Equal tables."""
    assert all(slow.equals(fast) for slow, fast in zip(results[REFERENCE], results[OURS], strict=True))
    return f"{RUNS} tables of scores are equal to the last bit"


BENCHMARKS = [
    Benchmark(
        name="semscore",
        title=f"SemScore over {RUNS} runs",
        unit="completions",
        sizes=(4, 8, 16),
        prepare=prepare,
        check=check,
        least_ratio=1.8,
    )
]
