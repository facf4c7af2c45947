"""Papers out of a store, made ready for use."""

import numpy as np
import pyarrow
import pyarrow.compute as pc
import pyarrow.parquet

from feyntune.data.schema import DATASET
from feyntune.data.texts import clean, withdrawn
from feyntune.files import read_table


def read_rows(store, rows):
    """Read these rows of a store, in this order, a row group at a time."""
    file = pyarrow.parquet.ParquetFile(store)
    in_store_order, start, found = np.sort(rows), 0, []
    for group in range(file.num_row_groups):
        end = start + file.metadata.row_group(group).num_rows
        first, last = np.searchsorted(in_store_order, [start, end])
        if first < last:
            found.append(file.read_row_group(group).take(in_store_order[first:last] - start))
        start = end
    table = pyarrow.concat_tables(found) if found else file.schema_arrow.empty_table()
    return table.take(np.searchsorted(in_store_order, rows))


def papers_with_ids(store, ids):
    """The papers of a store that have these ids, in the order of ``ids``."""
    places = {identifier: row for row, identifier in enumerate(read_table(store, ["id"])["id"].to_pylist())}
    return read_rows(store, np.array([places[identifier] for identifier in ids if identifier in places], dtype=int))


def without_withdrawn(papers):
    """The papers that are not withdrawn, and how many were."""
    gone = withdrawn(papers["comments"], papers["abstract"])
    return papers.filter(pc.invert(gone)), pc.sum(gone).as_py() or 0


def with_clean_abstract(papers):
    """The papers with their abstract cleaned, and the raw one as ``orig_abstract``."""
    raw = papers["abstract"]
    return (
        papers.drop_columns("abstract")
        .append_column("abstract", clean(raw))
        .append_column("orig_abstract", raw)
        .select(DATASET.names)
    )
