"""Copied n-grams and longest copies against values by hand and against a search of every sequence in every abstract."""

import random

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

from feyntune.evaluation.metrics.base import Completions, MetricSettings
from feyntune.evaluation.metrics.novelty import Novelty, copied_fraction, find_copies

TRAINING = {
    "a": "We study the beta function of a gauge theory in four dimensions and find a fixed point.",
    "b": "the beta function vanishes",
    "c": "  ",
}


def score(tmp_path, predictions, truths, training=TRAINING):
    table = pyarrow.table({"id": list(training), "abstract": list(training.values())})
    pyarrow.parquet.write_table(table, tmp_path / "train.parquet")
    names = [str(number) for number in range(len(predictions))]
    completions = Completions(names, [""] * len(names), truths, predictions, predictions)
    return Novelty(MetricSettings(kind="novelty"), training=tmp_path / "train.parquet").score(completions, {})


def test_novelty_by_hand(tmp_path):
    # Of seven words, "the beta function of a gauge" are in a: three of four 4-grams. "vanishes" follows only in b.
    copied, truth = " the beta function of a gauge group", " Thus the beta function vanishes"
    values = score(tmp_path, [copied], [truth])
    assert values["copied_4"] == [0.75] and values["copied_4_true"] == [0.5]
    assert values["longest"] == [6] and values["longest_true"] == [4]
    assert values["source"] == ["a"] and values["source_true"] == ["b"]
    assert values["copied_8"] == [None] and values["excess_8"] == [None]


def test_a_copy_of_everything_exceeds_what_the_authors_share(tmp_path):
    truth = " ".join(f"new{number}" for number in range(9))
    values = score(tmp_path, [TRAINING["a"]], [truth])
    assert values["excess_8"] == [1] and values["longest"] == [17] and values["longest_true"] == [0]
    assert values["source_true"] == [None]


def test_copies_end_where_an_abstract_or_a_text_ends(tmp_path):
    values = score(tmp_path, ["fixed point. the beta", "vanishes"], ["", "unknown"])
    assert values["longest"] == [2, 1] and values["longest_true"] == [None, 0]
    assert values["copied_4"] == [0, None]


def test_every_column_and_detail_is_computed(tmp_path):
    values = score(tmp_path, ["a"], ["b"])
    assert values.keys() == {column.name for column in Novelty.columns} | set(Novelty.details)


def brute_force(training, words):
    """For each word, the longest sequence from it that is in a training abstract, by trying all."""
    known = {tuple(text[i:j]) for text in training for i in range(len(text)) for j in range(i + 1, len(text) + 1)}
    return [
        max((j - i for j in range(i + 1, len(words) + 1) if tuple(words[i:j]) in known), default=0)
        for i in range(len(words))
    ]


@pytest.mark.parametrize("vocabulary", ["ab", "abcdefgh", [f"word{number}" for number in range(300)]])
def test_copies_agree_with_brute_force(vocabulary):
    draw = random.Random(len(vocabulary))
    training = [draw.choices(vocabulary, k=draw.randint(0, 30)) for _ in range(25)]
    texts = [draw.choices([*vocabulary, "unknown"], k=draw.randint(0, 12)) for _ in range(40)]
    texts += [text[3:20] for text in training[:8]]
    copies = find_copies(pyarrow.chunked_array([[" ".join(text) for text in training]]), list(map(" ".join, texts)))
    for words, lengths, rows in zip(texts, copies.lengths, copies.abstracts, strict=True):
        assert lengths.tolist() == brute_force(training, words)
        for place, (length, row) in enumerate(zip(lengths, rows, strict=True)):
            assert f" {' '.join(words[place : place + length])} " in f" {' '.join(training[row])} " or length == 0


def test_other_completions_and_their_order_change_nothing():
    draw = random.Random(5)
    training = pyarrow.chunked_array([[" ".join(draw.choices("abcd", k=30)) for _ in range(20)]])
    texts = [" ".join(draw.choices("abcde", k=15)) for _ in range(30)]
    together, reverse, alone = (find_copies(training, some) for some in (texts, texts[::-1], texts[:1]))
    for copies, place in ((reverse, -1), (alone, 0)):
        assert copies.lengths[place].tolist() == together.lengths[0].tolist()
        assert copies.abstracts[place].tolist() == together.abstracts[0].tolist()


def test_fractions_are_of_the_n_grams_that_the_text_has():
    assert copied_fraction(np.array([5, 4, 3, 2, 1]), 4) == 1
    assert copied_fraction(np.array([3, 4, 3, 2, 1]), 4) == 0.5
    assert copied_fraction(np.array([3, 2, 1]), 4) is None
