"""The small sentence-embedding model of the embedded default: word vectors fitted on the snapshot's abstracts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_array
    from sentence_transformers import SentenceTransformer
    from tokenizers import Tokenizer

    from feyntune.config.schema.demo import DemoMetricModel

FILES = ("config_sentence_transformers.json", "model.safetensors", "modules.json", "tokenizer.json")
"""The files of the folder that sentence-transformers loads."""


def fit_metric_model(texts: Sequence[str], settings: DemoMetricModel) -> SentenceTransformer:
    """Fit a model whose sentence vector is the mean of its word vectors.

    The vectors are the leading singular vectors of the positive pointwise mutual information between words and
    abstracts (Levy and Goldberg, NIPS 2014, for the matrix; Deerwester et al., JASIS 1990, for the decomposition),
    so words that occur in the same abstracts have similar vectors.

    Args:
        texts: abstracts.
        settings: number of dimensions, and the seed of the decomposition's start vector.
    """
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding

    tokenizer = _word_tokenizer(texts)
    vectors = _word_vectors(_association(tokenizer, texts), settings.dimensions, settings.seed)
    return SentenceTransformer(modules=[StaticEmbedding(tokenizer, embedding_weights=vectors)], device="cpu")


def _word_tokenizer(texts: Sequence[str]) -> Tokenizer:
    """A tokenizer of lower-case words that occur at least twice; all other words are ``<unk>``."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.WordLevel(unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    trainer = trainers.WordLevelTrainer(min_frequency=2, special_tokens=["<unk>"], show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def _association(tokenizer: Tokenizer, texts: Sequence[str]) -> csr_array:
    """Positive pointwise mutual information of words and texts, a sparse matrix words × texts."""
    from scipy.sparse import csr_array

    encoded = [encoding.ids for encoding in tokenizer.encode_batch(texts)]
    columns = numpy.repeat(numpy.arange(len(texts)), [len(ids) for ids in encoded])
    rows = numpy.concatenate([numpy.array(ids) for ids in encoded])
    counts = csr_array((numpy.ones(len(rows)), (rows, columns)), shape=(tokenizer.get_vocab_size(), len(texts)))
    counts = counts.tocoo()
    by_word, by_text = counts.sum(axis=1), counts.sum(axis=0)
    information = numpy.log(counts.data * counts.data.sum() / (by_word[counts.row] * by_text[counts.col]))
    return csr_array((numpy.maximum(information, 0), (counts.row, counts.col)), shape=counts.shape)


def _word_vectors(association: csr_array, dimensions: int, seed: int) -> NDArray[numpy.float32]:
    """Word vectors, words × dimensions: left singular vectors times the square roots of the singular values.

    They are ordered by singular value, and each has a positive largest entry. The first is left out, because it holds
    what all texts have in common (Arora et al., ICLR 2017, section 3).
    """
    from scipy.sparse.linalg import svds

    start = numpy.random.default_rng(seed).standard_normal(min(association.shape))
    left, values, _ = svds(association, k=dimensions + 1, v0=start)
    kept = numpy.argsort(-values)[1:]
    left, values = left[:, kept], values[kept]
    signs = numpy.sign(left[numpy.abs(left).argmax(axis=0), numpy.arange(dimensions)])
    return numpy.ascontiguousarray(left * signs * numpy.sqrt(values), dtype=numpy.float32)
