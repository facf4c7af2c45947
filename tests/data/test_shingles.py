"""Texts as sets of three-word sequences."""

import numpy as np
import pyarrow
import pytest

from feyntune.data.shingles import Shingles, ShingleUnion, similarity

WORDS = [f"word{number}" for number in range(100)]


def shingles(*texts):
    return Shingles(pyarrow.chunked_array([[text] for text in texts]))


def by_hand(text):
    words = text.split(" ")
    return {tuple(words[start : start + 3]) for start in range(max(1, len(words) - 2))}


def test_a_text_has_one_shingle_for_each_distinct_sequence():
    texts = [" ".join(WORDS), "one two", "one", "", "a b a b a b", "a b c"]
    sets = shingles(*texts)
    assert [len(sets[number]) for number in range(len(sets))] == [98, 1, 1, 1, 2, 1]
    assert [len(by_hand(text)) for text in texts] == [98, 1, 1, 1, 2, 1]


def test_shingles_do_not_span_two_texts():
    together, alone = shingles("a b c d", "e f", "g h i"), [shingles(text) for text in ("a b c d", "e f", "g h i")]
    assert all(np.array_equal(together[number], alone[number][0]) for number in range(3))
    assert not np.array_equal(shingles("a b")[0], shingles("a b c")[0])


def test_the_order_of_words_counts_and_case_and_white_space_do_not():
    sets = shingles("a b c", "c b a", "A  b\n c")
    assert similarity(sets[0], sets[1]) == 0
    assert similarity(sets[0], sets[2]) == 1


def test_similarity_is_that_of_the_sets():
    changed = [*WORDS[:50], "other", *WORDS[51:]]  # three sequences of 98 differ
    sets = shingles(" ".join(WORDS), " ".join(changed))
    assert similarity(sets[0], sets[1]) == pytest.approx(95 / 101)


def test_similarities_of_random_texts_are_those_of_the_sets_by_hand():
    draw = np.random.default_rng(0)
    texts = [" ".join(draw.choice(["a", "b", "c", "d"], size)) for size in draw.integers(1, 40, 60)]
    sets, expected = shingles(*texts), [by_hand(text) for text in texts]
    for first in range(0, 60, 2):
        some, others = expected[first], expected[first + 1]
        assert similarity(sets[first], sets[first + 1]) == len(some & others) / len(some | others)


def test_fractions_are_relative_to_each_set():
    known = ShingleUnion([shingles("a b c d e")[0]])
    assert shingles("a b c d", "x y z", "a b c x", "d").fractions_in(known).tolist() == [1, 0, 0.5, 0]
