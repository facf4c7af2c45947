"""Tables of papers, made ready for use."""

import numpy as np
import pyarrow.compute as pc

from feyntune.data.schema import DATASET

_WHITE = r"\s\v\x{85}\p{Z}"
_NOT_A_BLANK = r"\t-\r\x{85}\x{A0}\x{1680}\x{2000}-\x{200A}\x{2028}\x{2029}\x{202F}\x{205F}\x{3000}"
_NOT_ONE_BLANK = f" [{_WHITE}]+|[{_NOT_A_BLANK}][{_WHITE}]*"
"""White space other than one blank: single blanks are most of a text, and replacing each takes six times as long."""


def clean(abstracts):
    """Turn every line break and the white space after it into one space, and strip the ends.

    Nothing else is touched: no dashes, no LaTeX, no second language after a dashed line.
    """
    joined = pc.replace_substring_regex(abstracts, pattern=rf"[\r\n][{_WHITE}]*", replacement=" ")
    return pc.utf8_trim_whitespace(joined)


def withdrawn(comments, abstracts):
    """Whether papers are withdrawn: the comments say so in any case of letters, or the abstract in the usual two."""
    by_comment = pc.match_substring(comments, "withdrawn", ignore_case=True)
    by_abstract = pc.or_(pc.match_substring(abstracts, "withdrawn"), pc.match_substring(abstracts, "Withdrawn"))
    return pc.or_(pc.fill_null(by_comment, False), by_abstract)


def normalise(abstracts):
    """Texts that are equal when two abstracts differ in white space and case of letters only."""
    spaced = pc.replace_substring_regex(abstracts, pattern=_NOT_ONE_BLANK, replacement=" ")
    return pc.utf8_lower(pc.utf8_trim_whitespace(spaced))


def repeated_texts(abstracts, rows, unseen):
    """Those of ``rows`` whose abstract is that of one of ``unseen``, but for white space and case of letters.

    Args:
        abstracts: column.
        rows: array of numbers of rows in it.
        unseen: another.
    """
    openings = _opening(abstracts)
    alike = rows[_among(openings.take(rows), openings.take(unseen))]
    others = unseen[_among(openings.take(unseen), openings.take(alike))]
    return alike[_among(normalise(abstracts.take(alike)), normalise(abstracts.take(others)))]


def _among(texts, others):
    return np.asarray(pc.is_in(texts, value_set=others), dtype=bool)


def _opening(abstracts):
    """The first five words, normalised: they are the same where the whole is, and quickly compared."""
    found = pc.extract_regex(abstracts, rf"^(?P<words>(?:[{_WHITE}]*[^{_WHITE}]+){{0,5}})")
    return normalise(pc.struct_field(found, "words"))


def word_counts(abstracts):
    """Number of words of each abstract."""
    return pc.list_value_length(pc.ascii_split_whitespace(abstracts))


def is_blank(texts):
    """Whether texts are null or nothing but white space."""
    return pc.invert(pc.fill_null(pc.match_substring_regex(texts, f"[^{_WHITE}]"), False))


ROW_GROUP = 10_000
"""Papers that are handled at a time, and stand in one row group of a dataset's file."""


def batches(papers, rows):
    """These rows of a table (an array), in this order, one by one as tables of bounded size."""
    return map(papers.take, in_groups(rows))


def in_groups(rows):
    """Yield an array in parts of at most ``ROW_GROUP``."""
    for start in range(0, len(rows), ROW_GROUP):
        yield rows[start : start + ROW_GROUP]


def with_clean_abstract(papers):
    """The papers with their abstract cleaned, and the raw one as ``orig_abstract``."""
    raw = papers["abstract"]
    with_both = papers.append_column("orig_abstract", raw)
    return with_both.set_column(papers.column_names.index("abstract"), "abstract", clean(raw)).select(DATASET.names)
