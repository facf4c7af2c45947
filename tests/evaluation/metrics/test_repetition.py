"""rep-n and distinct-n against values by hand and by brute force."""

import random

import pytest

from feyntune.evaluation.metrics.base import Completions, MetricSettings
from feyntune.evaluation.metrics.repetition import ORDERS, Repetition, distinct, repeated


def score(predictions):
    texts = [""] * len(predictions)
    completions = Completions([str(n) for n in range(len(predictions))], texts, texts, predictions, predictions)
    return Repetition(MetricSettings(kind="repetition")).score(completions, {})


def test_repetition_by_hand():
    # a b a b: two different words of four, two different pairs (ab, ba) of three, two triples, one sequence of four.
    values = score([" a b a b"])
    assert [values[f"rep_{n}"] for n in ORDERS] == [[0.5], [pytest.approx(1 / 3)], [0], [0]]
    assert [values[f"distinct_{n}"] for n in ORDERS] == [[2 / 4], [2 / 4], [2 / 4], [1 / 4]]


def test_a_loop_repeats_nearly_everything():
    values = score(["of the " * 100])
    assert values["rep_4"] == [pytest.approx(1 - 2 / 197)]


def test_texts_too_short_for_an_n_gram_have_no_repetition():
    values = score(["", "one two"])
    assert values["rep_1"] == [None, 0]
    assert values["rep_3"] == [None, None]
    assert values["distinct_1"] == [None, 1]
    assert values["distinct_3"] == [None, 0]


def test_every_column_is_computed():
    assert list(score(["a b"])) == [column.name for column in Repetition.columns]


def test_repetition_agrees_with_brute_force():
    draw = random.Random(0)
    for _ in range(200):
        words = draw.choices("abc", k=draw.randint(1, 9))
        for n in ORDERS:
            sequences = [words[start : start + n] for start in range(len(words)) if start + n <= len(words)]
            again = sum(sequence in sequences[:place] for place, sequence in enumerate(sequences))
            assert repeated(words, n) == (pytest.approx(again / len(sequences)) if sequences else None)
            assert distinct(words, n) == pytest.approx((len(sequences) - again) / len(words))
