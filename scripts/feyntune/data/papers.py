"""Papers out of a store, made ready for use."""

import numpy as np
import pyarrow
import pyarrow.compute as pc
import pyarrow.parquet

from feyntune.data.schema import DATASET
from feyntune.data.texts import clean
from feyntune.files import read_table

ROW_GROUP = 10_000
"""Papers that are handled at a time, and stand in one row group of a dataset's file."""


def read_rows(store, rows):
    """Read these rows of a store (an array), in the store's order, from no other row groups than have any."""
    file = pyarrow.parquet.ParquetFile(store)
    rows, start, found = np.sort(rows), 0, [file.schema_arrow.empty_table()]
    for group in range(file.num_row_groups):
        end = start + file.metadata.row_group(group).num_rows
        first, last = np.searchsorted(rows, [start, end])
        if first < last:
            found.append(file.read_row_group(group).take(rows[first:last] - start))
        start = end
    return pyarrow.concat_tables(found).combine_chunks()


def papers_with_ids(store, ids):
    """The papers of a store that have these ids."""
    among = pc.is_in(read_table(store, ["id"])["id"], value_set=pyarrow.array(ids, "string"))
    return read_rows(store, np.flatnonzero(among))


def batches(papers, rows):
    """Yield these rows of a table, in this order, as tables of bounded size."""
    for start in range(0, len(rows), ROW_GROUP):
        yield papers.take(rows[start : start + ROW_GROUP])


def with_clean_abstract(papers):
    """The papers with their abstract cleaned, and the raw one as ``orig_abstract``."""
    raw = papers["abstract"]
    return (
        papers.drop_columns("abstract")
        .append_column("abstract", clean(raw))
        .append_column("orig_abstract", raw)
        .select(DATASET.names)
    )
