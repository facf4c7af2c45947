"""The columnar store of a snapshot's papers: a parquet file of row groups, one archive each."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.compute as pc
import pyarrow.parquet

from feyntune.core.files import PARQUET, open_parquet, parquet_errors, written_whole
from feyntune.data.papers import Rows
from feyntune.data.schema import SNAPSHOT


def store_writer(path: Path) -> pyarrow.parquet.ParquetWriter:
    """Open a writer for a store. Snappy is the fastest parquet codec, and a store is read only a few times."""
    few_values = ["categories", "license", "update_date"]
    return pyarrow.parquet.ParquetWriter(
        path, SNAPSHOT, **{**PARQUET, "compression": "snappy"}, use_dictionary=few_values
    )


def read_columns(store: Path, columns: Sequence[str]) -> pyarrow.Table:
    """Read these columns of all papers."""
    with parquet_errors(store), open_parquet(store) as file:
        return file.read(columns=list(columns))


def read_rows(store: Path, rows: Rows) -> pyarrow.Table:
    """Read these rows of a store, in the order of the store; row groups without any of them are skipped."""
    rows, start, found = np.sort(rows), 0, [SNAPSHOT.empty_table()]
    with parquet_errors(store), open_parquet(store) as file:
        for group in range(file.num_row_groups):
            end = start + file.metadata.row_group(group).num_rows
            first, last = np.searchsorted(rows, [start, end])
            if first < last:
                found.append(file.read_row_group(group).take(rows[first:last] - start))
            start = end
    return pyarrow.concat_tables(found).combine_chunks()


def rows_with_ids(store: Path, ids: Sequence[str]) -> Rows:
    """Row numbers of the papers with one of these ids."""
    known = read_columns(store, ["id"])["id"]
    return np.flatnonzero(pc.is_in(known, value_set=pyarrow.array(ids, "string")))


def papers_with_ids(store: Path, ids: Sequence[str]) -> pyarrow.Table:
    """The papers with these ids, in the order of ``ids``; ids that the store does not have are left out."""
    papers = read_rows(store, rows_with_ids(store, ids))
    places = pc.index_in(pyarrow.array(ids, "string"), value_set=papers["id"])
    return papers.take(places.drop_null())


def keep_latest(store: Path, ids: Sequence[str]) -> int:
    """Keep, of the papers with each of these ids, the one that was updated last, whatever their order.

    Records with the same date are ordered by their text. Returns how many papers were removed from the store.
    """
    rows = rows_with_ids(store, ids)
    latest: dict[str, tuple] = {}
    for row, record in zip(rows, read_rows(store, rows).to_pylist(), strict=True):
        rank = (record["update_date"] or "", json.dumps(record, sort_keys=True))
        latest[record["id"]] = max(latest.get(record["id"], ("",)), (*rank, row))
    surplus = np.setdiff1d(rows, [row for _, _, row in latest.values()])
    _remove_rows(store, surplus)
    return len(surplus)


def _remove_rows(store: Path, surplus: Rows) -> None:
    file, start = open_parquet(store), 0
    with written_whole(store) as aside, store_writer(aside) as writer:
        for group in range(file.num_row_groups):
            table = file.read_row_group(group)
            kept = ~np.isin(np.arange(start, start + table.num_rows), surplus)
            start += table.num_rows
            writer.write_table(table.filter(pyarrow.array(kept)))
