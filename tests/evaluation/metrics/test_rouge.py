"""ROUGE against values by hand and by an independent count."""

import random
import re
from collections import Counter

import pytest

from feyntune.evaluation.metrics.base import Completions
from feyntune.evaluation.metrics.rouge import Rouge, RougeSettings

pytest.importorskip("rouge_score", reason="needs the package rouge-score")


def score(pairs, **settings):
    """Values by column of pairs of a true continuation and a prediction."""
    true, predictions = zip(*pairs, strict=True)
    completions = Completions([str(n) for n in range(len(pairs))], [""] * len(pairs), true, predictions, predictions)
    return Rouge(RougeSettings(kind="rouge", **settings)).score(completions, {})


def test_rouge_by_hand():
    # Of five and four words three are shared (the, beta, vanishes), one pair (the beta), and three in the same order.
    values = score([("The beta function never vanishes.", "The beta vanishes here")])
    assert values["rouge1"] == [pytest.approx(2 * (3 / 4) * (3 / 5) / (3 / 4 + 3 / 5))]
    assert values["rouge2"] == [pytest.approx(2 * (1 / 3) * (1 / 4) / (1 / 3 + 1 / 4))]
    assert values["rougeL"] == [pytest.approx(2 * (3 / 4) * (3 / 5) / (3 / 4 + 3 / 5))]


def test_the_true_text_has_one_and_an_empty_one_zero():
    values = score([("We study strings.", " We study strings."), ("We study strings.", ""), ("", "")])
    assert values == {name: [1, 0, 0] for name in ("rouge1", "rouge2", "rougeL")}


def test_stems_are_compared_only_if_asked_for():
    pair = [("solutions vanish", "solution vanishes")]
    assert score(pair)["rouge1"] == [0]
    assert score(pair, stemmer=True)["rouge1"] == [1]


def f1(shared, true, predicted):
    return 2 * shared / (true + predicted) if shared else 0


def ngrams(words, n):
    return Counter(tuple(words[i : i + n]) for i in range(len(words) - n + 1))


def longest_common_subsequence(left, right):
    """By recursion over prefixes, without any table of the package's."""
    if not left or not right:
        return 0
    if left[-1] == right[-1]:
        return longest_common_subsequence(left[:-1], right[:-1]) + 1
    return max(longest_common_subsequence(left[:-1], right), longest_common_subsequence(left, right[:-1]))


def test_rouge_agrees_with_an_independent_count():
    draw = random.Random(0)
    words = ["The", "theory", "is", "finite,", "N=4", "$\\beta$", "not-so", "BRANE"]
    pairs = [tuple(" ".join(draw.choices(words, k=draw.randint(0, 7))) for _ in range(2)) for _ in range(60)]
    values = score(pairs)
    for place, texts in enumerate(pairs):
        true, predicted = (re.findall("[a-z0-9]+", text.lower()) for text in texts)
        for n in (1, 2):
            left, right = ngrams(true, n), ngrams(predicted, n)
            expected = f1((left & right).total(), left.total(), right.total())
            assert values[f"rouge{n}"][place] == pytest.approx(expected)
        expected = f1(longest_common_subsequence(true, predicted), len(true), len(predicted))
        assert values["rougeL"][place] == pytest.approx(expected)
