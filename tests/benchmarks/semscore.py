"""SemScores of twenty runs, the truth embedded once, against the truth embedded again for each run.

Both ways give the reference's score and that of the continuation, by the same sentence model.
"""

import functools
from pathlib import Path

import numpy as np

from benchmarks.comparison import OURS, REFERENCE, Benchmark, Case
from benchmarks.material import SMALL, realistic_lengths

RUNS = 20
WORDS = [f"{first}{second}{third}" for first in "bdfgklmn" for second in "aeiou" for third in "prstvxz"]


def prepare(count, folder):
    """So many abstracts, completed by twenty runs."""
    embedder = _embedder(folder.parent / "sentences")
    truth, runs = _texts(count, 0), [_texts(count, number) for number in range(1, RUNS + 1)]
    ways = {REFERENCE: lambda: _again(embedder, truth, runs), OURS: lambda: _once(embedder, truth, runs)}
    return Case(RUNS * count, ways)


def _texts(count, seed):
    """Abstracts of made-up words, and their second halves; of the same lengths, so that no run costs more."""
    draw = np.random.default_rng(seed)
    texts = [draw.choice(WORDS, length // 2).tolist() for length in realistic_lengths(count)]
    return [" ".join(words) for words in texts], [" ".join(words[len(words) // 2 :]) for words in texts]


@functools.cache
def _embedder(folder):
    """A sentence model of about ten million random weights, as the project loads it."""
    from feyntune.config.schema.metrics import Metric
    from feyntune.evaluation.metrics.embedding import SentenceEmbedder

    if not (folder / "modules.json").is_file():
        _save_sentence_model(folder)
    return SentenceEmbedder(folder, Metric(path=str(folder), batch_size=32))


def _save_sentence_model(folder):
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


def _embedded(embedder, truth):
    whole, rest = (embedder.embed(texts) for texts in truth)
    return {"abstract": whole[0], "abstract_truncated": whole[1], "y_true": rest[0], "y_true_truncated": rest[1]}


def _scores(embedder, truth, run):
    from feyntune.evaluation.metrics.embedding import score_table

    return score_table([str(number) for number in range(len(run[0]))], *run, truth, embedder)


def _again(embedder, truth, runs):
    return [_scores(embedder, _embedded(embedder, truth), run) for run in runs]


def _once(embedder, truth, runs):
    embedded = _embedded(embedder, truth)
    return [_scores(embedder, embedded, run) for run in runs]


def check(results):
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
