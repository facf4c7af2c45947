"""Texts of abstracts: what cleaning changes, and when two texts count as equal."""

import numpy as np
import pyarrow
import pytest

from feyntune.data import papers


def one(function, text):
    return function(pyarrow.array([text], "string"))[0].as_py()


@pytest.mark.parametrize(
    ("raw", "cleaned"),
    [
        ("  We show\nthat it holds.\n", "We show that it holds."),
        ("  One.\n  Two, of a new paragraph.\n", "One. Two, of a new paragraph."),
        ("  One.\n\n \t Two.\n", "One. Two."),
        ("Windows\r\nlines,\rold Macintosh's", "Windows lines, old Macintosh's"),
        ("kept:  two blanks, a\ttab, \u00a0 a hard blank", "kept:  two blanks, a\ttab, \u00a0 a hard blank"),
        ("from ($-+++++$) to\n($+-----$) and on", "from ($-+++++$) to ($+-----$) and on"),
        ("Poincar\\'e, Schr{\\\"o}dinger,\n$\\alpha'$", "Poincar\\'e, Schr{\\\"o}dinger, $\\alpha'$"),
        ("Nous montrons.\n  -----\n  We show.", "Nous montrons. ----- We show."),
        ("in line\n\u00a0after a hard blank", "in line after a hard blank"),
        ("\u65e5\u672c\n\u8a9e", "\u65e5\u672c \u8a9e"),
        ("", ""),
    ],
)
def test_a_line_break_and_the_white_space_after_it_become_one_space(raw, cleaned):
    assert one(papers.clean_abstracts, raw) == cleaned


def test_cleaning_twice_changes_nothing():
    column = pyarrow.array(["  a\n  b \n", "c"])
    assert papers.clean_abstracts(papers.clean_abstracts(column)).equals(papers.clean_abstracts(column))


@pytest.mark.parametrize(
    ("comments", "abstract", "gone"),
    [
        ("This paper has been WITHDRAWN", "text", True),
        ("withdrawn by the author", "text", True),
        (None, "This paper is Withdrawn due to an error", True),
        (None, "now withdrawn", True),
        (None, "WITHDRAWN", False),
        ("12 pages", "Drawn with care", False),
        (None, "", False),
    ],
)
def test_withdrawn_is_found_in_comments_in_any_case_and_in_abstracts_in_two_cases(comments, abstract, gone):
    columns = pyarrow.array([comments], "string"), pyarrow.array([abstract], "string")
    assert papers.is_withdrawn(*columns).to_pylist() == [gone]


ODD = [
    "A  b\u00a0\n c",
    " \tMASSIVE Gravity\u2003 in\u3000d=3 ",
    "\u00c4x\x85y",
    "one",
    "",
    "a \u2028 b",
    "\x0b a\x0cb",
]


@pytest.mark.parametrize("text", ODD)
def test_normalising_gives_lower_case_words_joined_by_single_spaces(text):
    assert one(papers.normalise, text) == " ".join(text.lower().split())


def test_only_white_space_is_blank():
    column = pyarrow.array([None, "", " \n\t", "\u00a0\u3000", "a", "\u8a9e"], "string")
    assert papers.is_blank(column).to_pylist() == [True, True, True, True, False, False]


def test_words_are_counted():
    assert papers.word_counts(pyarrow.array(["one", "two words", "a  b\nc"])).to_pylist() == [1, 2, 3]


def test_a_repeated_text_is_found_whatever_its_white_space_and_case():
    column = pyarrow.array(["A b c d e f", "a b c d e g", "x y", "a  B c\nd e F ", "X\ty", "z"])
    rows, unseen = np.array([3, 1, 5, 4]), np.array([0, 2])
    assert papers.repeated_texts(column, rows, unseen).tolist() == [3, 4]


def test_without_rows_or_unseen_texts_there_are_no_repeated_texts():
    column, none = pyarrow.array(["a"]), np.array([], dtype=int)
    assert papers.repeated_texts(column, none, np.array([0])).tolist() == []
    assert papers.repeated_texts(column, np.array([0]), none).tolist() == []
