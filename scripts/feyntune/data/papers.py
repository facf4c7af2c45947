"""Tables of papers, made ready for use."""

from feyntune.data.schema import DATASET
from feyntune.data.texts import clean

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
