"""Abstracts as text: cleaning, and the marks of a withdrawn paper. Functions of whole arrow columns."""

import pyarrow
import pyarrow.compute as pc


def clean(abstracts):
    """Turn every line break and the white space after it into one space, and strip the ends.

    Nothing else is touched: no dashes, no LaTeX, no second language after a dashed line.
    """
    joined = pc.replace_substring_regex(abstracts, pattern=r"(\r\n|\r|\n)[\s\v\p{Z}]*", replacement=" ")
    return pc.utf8_trim_whitespace(joined)


def withdrawn(comments, abstracts):
    """Whether papers are withdrawn: the comments say so in any case of letters, or the abstract in the usual two."""
    by_comment = pc.match_substring(comments, "withdrawn", ignore_case=True)
    by_abstract = pc.match_substring_regex(abstracts, "[Ww]ithdrawn")
    return pc.or_(pc.fill_null(by_comment, False), pc.fill_null(by_abstract, False))


def normalise(abstracts):
    """Texts that are equal when two abstracts differ in white space and case of letters only."""
    words = pc.utf8_split_whitespace(pc.utf8_trim_whitespace(pc.utf8_lower(abstracts)))
    return pc.binary_join(words, " ")


def same_text(some, others):
    """Whether each abstract of ``some`` is among ``others``, but for white space and case of letters."""
    return pc.is_in(normalise(some), value_set=normalise(others))


def word_counts(abstracts):
    """Number of words of each abstract."""
    return pc.list_value_length(pc.utf8_split_whitespace(pc.utf8_trim_whitespace(abstracts)))


def is_blank(texts):
    """Whether texts are null or nothing but white space."""
    return pc.equal(pc.utf8_length(pc.utf8_trim_whitespace(pc.fill_null(texts, ""))), pyarrow.scalar(0, "int32"))
