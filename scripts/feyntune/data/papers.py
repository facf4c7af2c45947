"""Columns of papers: clean and compare abstracts, and read dates and categories."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator
from typing import TypeAlias

import numpy as np
import pyarrow
import pyarrow.compute as pc
from numpy.typing import NDArray

from feyntune.data.schema import DATASET

Column: TypeAlias = pyarrow.Array | pyarrow.ChunkedArray
Rows: TypeAlias = NDArray[np.int64]
"""Row numbers of a table, in any order."""

_WHITE = r"\s\v\x{85}\p{Z}"
_NOT_A_SPACE = r"\t-\r\x{85}\x{A0}\x{1680}\x{2000}-\x{200A}\x{2028}\x{2029}\x{202F}\x{205F}\x{3000}"
_NOT_ONE_SPACE = f" [{_WHITE}]+|[{_NOT_A_SPACE}][{_WHITE}]*"
"""White space other than a single space. Replacing single spaces too gives the same text in six times the time."""

ROW_GROUP = 10_000
"""Number of papers that are processed at a time; also the row group size of a dataset file."""

_MONTH_IN_ID = re.compile(r"^(?:[A-Za-z.-]+/)?(\d\d)(\d\d)")
_CREATED = "%a, %d %b %Y %H:%M:%S GMT"


def clean_abstracts(abstracts: Column) -> Column:
    """Replace each line break and the white space after it with one space, and strip both ends.

    Everything else is kept: dashes, LaTeX, a translation after a dashed line.
    """
    joined = pc.replace_substring_regex(abstracts, pattern=rf"[\r\n][{_WHITE}]*", replacement=" ")
    return pc.utf8_trim_whitespace(joined)


def with_clean_abstract(papers: pyarrow.Table) -> pyarrow.Table:
    """Clean the abstracts of papers (columns of ``SNAPSHOT``), and keep the raw text as ``orig_abstract``."""
    raw = papers["abstract"]
    with_both = papers.append_column("orig_abstract", raw)
    return with_both.set_column(papers.column_names.index("abstract"), "abstract", clean_abstracts(raw)).select(
        DATASET.names
    )


def is_withdrawn(comments: Column, abstracts: Column) -> Column:
    """Whether papers are withdrawn: the comments say so in any case, or the abstract in lower or title case."""
    by_comment = pc.match_substring(comments, "withdrawn", ignore_case=True)
    by_abstract = pc.or_(pc.match_substring(abstracts, "withdrawn"), pc.match_substring(abstracts, "Withdrawn"))
    return pc.or_(pc.fill_null(by_comment, False), by_abstract)


def is_blank(texts: Column) -> Column:
    """Whether texts are null, empty or only white space."""
    return pc.invert(pc.fill_null(pc.match_substring_regex(texts, f"[^{_WHITE}]"), False))


def word_counts(abstracts: Column) -> Column:
    """Number of words of each abstract."""
    return pc.list_value_length(pc.ascii_split_whitespace(abstracts))


def normalise(abstracts: Column) -> Column:
    """Lower-case words joined by single spaces, so that abstracts compare equal whatever their case and white space."""
    spaced = pc.replace_substring_regex(abstracts, pattern=_NOT_ONE_SPACE, replacement=" ")
    return pc.utf8_lower(pc.utf8_trim_whitespace(spaced))


def repeated_texts(abstracts: Column, rows: Rows, unseen: Rows) -> Rows:
    """Those of ``rows`` whose normalised abstract is also that of one of ``unseen`` (both: row numbers)."""
    openings = _opening(abstracts)
    alike = rows[_is_among(openings.take(rows), openings.take(unseen))]
    others = unseen[_is_among(openings.take(unseen), openings.take(alike))]
    return alike[_is_among(normalise(abstracts.take(alike)), normalise(abstracts.take(others)))]


def _is_among(texts: Column, others: Column) -> NDArray[np.bool_]:
    return np.asarray(pc.is_in(texts, value_set=others), dtype=bool)


def _opening(abstracts: Column) -> Column:
    """The first five words, normalised: a cheap filter, since equal abstracts have equal openings."""
    found = pc.extract_regex(abstracts, rf"^(?P<words>(?:[{_WHITE}]*[^{_WHITE}]+){{0,5}})")
    return normalise(pc.struct_field(found, "words"))


def batches(papers: pyarrow.Table, rows: Rows) -> Iterator[pyarrow.Table]:
    """Yield these rows of a table, in this order, as tables of at most ``ROW_GROUP`` rows."""
    return map(papers.take, row_groups(rows))


def row_groups(rows: Rows) -> Iterator[Rows]:
    """Cut an array into parts of at most ``ROW_GROUP`` rows."""
    for start in range(0, len(rows), ROW_GROUP):
        yield rows[start : start + ROW_GROUP]


def primary_categories(categories: Column) -> Column:
    """The primary category of each paper: the first word of its categories."""
    return pc.list_element(pc.utf8_split_whitespace(pc.utf8_trim_whitespace(categories)), 0)


def first_days(papers: pyarrow.Table) -> Column:
    """The day on which each paper was first submitted.

    Args:
        papers: a table with ``id`` and ``versions``.

    Returns:
        Array of dates: the date of the first version; without it the first day of the month in the id; otherwise null.
    """
    first_versions = pc.list_slice(papers["versions"].combine_chunks(), 0, 1, return_fixed_size_list=True)
    created = pc.struct_field(pc.list_element(first_versions, 0), "created")
    days = pc.strptime(created, format=_CREATED, unit="s", error_is_null=True).cast(pyarrow.date32())
    unknown = days.is_null()
    months = [month_in_id(paper_id) for paper_id in papers["id"].filter(unknown).to_pylist()]
    return pc.replace_with_mask(days, unknown, pyarrow.array(months, pyarrow.date32()))


def month_in_id(paper_id: str) -> datetime.date | None:
    """The first day of the month in an arXiv id (``hep-th/9901001``, ``0704.0001``), or None without a month."""
    found = _MONTH_IN_ID.match(paper_id)
    if not found or not 1 <= int(found[2]) <= 12:
        return None
    year = int(found[1])
    return datetime.date(year + (1900 if year >= 91 else 2000), int(found[2]), 1)
