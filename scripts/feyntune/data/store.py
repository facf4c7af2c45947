"""The columnar store of a snapshot's papers: a parquet file of row groups."""

import json

import numpy as np
import pyarrow
import pyarrow.compute as pc
import pyarrow.parquet

from feyntune.core.files import written_whole
from feyntune.data.schema import SNAPSHOT


def store_writer(path):
    """A writer for a store, with the fastest of parquet's codecs: each byte is read a few times only."""
    few_values = ["categories", "license", "update_date"]
    return pyarrow.parquet.ParquetWriter(path, SNAPSHOT, compression="snappy", use_dictionary=few_values)


def read_rows(store, rows):
    """Read these rows of a store (an array), in the store's order, from no other row groups than have any."""
    file = pyarrow.parquet.ParquetFile(store)
    rows, start, found = np.sort(rows), 0, [SNAPSHOT.empty_table()]
    for group in range(file.num_row_groups):
        end = start + file.metadata.row_group(group).num_rows
        first, last = np.searchsorted(rows, [start, end])
        if first < last:
            found.append(file.read_row_group(group).take(rows[first:last] - start))
        start = end
    return pyarrow.concat_tables(found).combine_chunks()


def rows_with_ids(store, ids):
    """Numbers of the rows of a store that have one of these ids, as an array."""
    known = pyarrow.parquet.ParquetFile(store).read(columns=["id"])["id"]
    return np.flatnonzero(pc.is_in(known, value_set=pyarrow.array(ids, "string")))


def papers_with_ids(store, ids):
    """The papers of a store that have these ids, in the order of ``ids``; those that it has not are left out."""
    papers = read_rows(store, rows_with_ids(store, ids))
    places = pc.index_in(pyarrow.array(ids, "string"), value_set=papers["id"])
    return papers.take(places.drop_null())


def keep_latest(store, ids):
    """Of the papers with each of these ids keep the one that was updated last, whatever their order.

    Among equal dates the text of the record decides. Returns how many papers were removed from the store.
    """
    rows = rows_with_ids(store, ids)
    latest = {}
    for row, record in zip(rows, read_rows(store, rows).to_pylist(), strict=True):
        rank = (record["update_date"] or "", json.dumps(record, sort_keys=True))
        latest[record["id"]] = max(latest.get(record["id"], ("",)), (*rank, row))
    surplus = np.setdiff1d(rows, [row for _, _, row in latest.values()])
    _remove_rows(store, surplus)
    return len(surplus)


def _remove_rows(store, surplus):
    file, start = pyarrow.parquet.ParquetFile(store), 0
    with written_whole(store) as aside, store_writer(aside) as writer:
        for group in range(file.num_row_groups):
            table = file.read_row_group(group)
            kept = ~np.isin(np.arange(start, start + table.num_rows), surplus)
            start += table.num_rows
            writer.write_table(table.filter(pyarrow.array(kept)))
