"""Ids of abstracts: duplicates are refused, and lists of ids are matched without guessing."""

import pytest

from feyntune.core.errors import FeynTuneError
from feyntune.core.ids import check_unique, examples, match_ids


def test_unique_ids_pass():
    check_unique(["a", "b"], "here")
    check_unique([], "here")


def test_duplicates_are_named_once_with_their_place():
    with pytest.raises(FeynTuneError, match=r"^here: duplicate ids: a, c; each abstract may occur only once$"):
        check_unique(["a", "b", "a", "c", "a", "c"], "here")


def test_ids_are_matched_in_the_order_wanted():
    assert match_ids(["b", "a"], ["a", "b"], "here") == [1, 0]
    assert match_ids([], [], "here") == []


def test_other_abstracts_of_the_dataset_may_be_there_too():
    assert match_ids(["c", "a"], ["a", "b", "c"], "here", known=["a", "b", "c"]) == [2, 0]


@pytest.mark.parametrize(
    ("other_ids", "known", "fault"),
    [
        (["a"], None, "here: no row for b; it needs one for each of the evaluation set's 2 abstracts"),
        ([], None, "here: no row for a, b; it needs one"),
        (["a", "b", "c"], None, "here: rows for c, which the evaluation set does not have"),
        (["a", "b", "z"], ["a", "b", "c"], "here: rows for z, which the dataset does not have"),
        (["a", "b", "b"], None, "here: duplicate ids: b;"),
    ],
)
def test_ids_that_do_not_match_are_refused(other_ids, known, fault):
    with pytest.raises(FeynTuneError) as caught:
        match_ids(["a", "b"], other_ids, "here", known)
    assert str(caught.value).startswith(fault)
    assert len(str(caught.value)) <= 200


def test_examples_are_few_short_and_printable():
    assert examples(["a", "b", "c", "d"]) == "a, b, c and 1 more"
    assert examples(["a\x1b[31m\n", "x" * 100]) == r"a\x1b[31m\n, " + "x" * 39 + "…"
