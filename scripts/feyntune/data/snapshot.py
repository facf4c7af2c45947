"""From an arXiv metadata snapshot to a columnar store of its papers: one pass, in bounded memory."""

from __future__ import annotations

import collections
import concurrent.futures
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, TypeVar

import numpy as np
import pyarrow
import pyarrow.compute as pc

from feyntune.core.cli import Progress
from feyntune.core.errors import FeynTuneError
from feyntune.core.files import written_whole
from feyntune.data.json_lines import Parsed, blocks, opened, parse, text_size
from feyntune.data.store import keep_latest, store_writer

BLOCK = 16_000_000
"""Bytes that are parsed at a time. A constant, because the bytes of the store depend on it."""
ROW_GROUP = 10_000
"""Least number of papers in a row group of the store, if an archive has as many."""
SHOWN = 10
"""How many malformed lines and repeated ids the report lists."""

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass
class Report:
    """What was found in a snapshot. Faults are counted, and the first ones listed."""

    lines: int = 0
    last_line_cut: bool = False
    """The last line is malformed and has no line break, so the file is probably incomplete."""
    papers: int = 0
    malformed: int = 0
    malformed_lines: list[dict[str, int | str]] = field(default_factory=list)
    without_id: int = 0
    without_categories: int = 0
    without_abstract: int = 0
    duplicates: int = 0
    duplicate_ids: list[str] = field(default_factory=list)

    def count(self, parsed: Parsed) -> None:
        """Count the next block of lines."""
        shown = parsed.faults[: SHOWN - len(self.malformed_lines)]
        self.malformed_lines += [{"line": self.lines + line, "fault": fault} for line, fault in shown]
        self.malformed += len(parsed.faults)
        self.lines += parsed.lines
        self.last_line_cut = parsed.is_cut
        self.papers += parsed.papers.num_rows
        self.without_id += parsed.without["id"]
        self.without_categories += parsed.without["categories"]
        self.without_abstract += parsed.without["abstract"]

    def messages(self) -> list[str]:
        """One message for each kind of fault that occurred."""
        first = "".join(f"line {each['line']:,}: {each['fault']}" for each in self.malformed_lines[:1])
        counts = [
            (self.malformed, f"malformed lines ({first})"),
            (self.without_id, "without an id"),
            (self.without_categories, "without categories"),
            (self.without_abstract, "without an abstract"),
            (self.duplicates, "older than another of the same id"),
        ]
        cut = ["the last line is cut, so the file is incomplete: fetch it again"] if self.last_line_cut else []
        return [f"{count:,} {what}" for count, what in counts if count] + cut


def read_snapshot(path: Path, store: Path, threads: int) -> Report:
    """Read a snapshot into a parquet file with its fourteen fields, one row for each id.

    The papers of one archive are stored together in row groups, so that a dataset of a few categories reads only a part
    of the file. Skipped and counted are: lines that are not JSON objects of the expected types; papers without id,
    categories or abstract; and, of papers with the same id, all but the one that was updated last. The bytes of the
    store do not depend on ``threads``.

    Raises:
        FeynTuneError: no such file, a damaged archive, or no usable paper in it.
    """
    report, ids = Report(), _Ids()
    with opened(path) as stream, written_whole(store) as aside:
        with store_writer(aside) as writer:
            for table in _row_groups(stream, text_size(path), threads, report, ids):
                writer.write_table(table, row_group_size=table.num_rows)
        if not report.papers:
            faults = ", ".join(report.messages()) or "no lines at all"
            raise FeynTuneError(f"{path}: not one usable paper in it ({faults}); name a snapshot of arXiv's metadata")
        if ids.repeated:
            report.duplicates = keep_latest(aside, sorted(ids.repeated))
            report.duplicate_ids = sorted(ids.repeated)[:SHOWN]
            report.papers -= report.duplicates
    return report


class _Ids:
    """The ids so far, and those that occurred more than once."""

    def __init__(self) -> None:
        self.seen: set[str] = set()
        self.repeated: set[str] = set()

    def add(self, ids: list[str]) -> None:
        distinct = set(ids)
        self.repeated |= self.seen & distinct
        if len(distinct) < len(ids):
            self.repeated.update(each for each, count in collections.Counter(ids).items() if count > 1)
        self.seen |= distinct


def _row_groups(stream: BinaryIO, size: int | None, threads: int, report: Report, ids: _Ids) -> Iterator[pyarrow.Table]:
    """Yield the papers of each archive when they fill a row group; update the report and the ids."""
    waiting = collections.defaultdict(list)
    with concurrent.futures.ThreadPoolExecutor(threads) as pool, Progress("reading", size, "bytes") as progress:
        for parsed, archives in _in_order(pool, _parsed_by_archive, blocks(stream, BLOCK), threads + 1):
            report.count(parsed)
            ids.add(parsed.papers["id"].to_pylist())
            for archive, papers in archives:
                waiting[archive].append(papers)
                if sum(each.num_rows for each in waiting[archive]) >= ROW_GROUP:
                    yield pyarrow.concat_tables(waiting.pop(archive))
            progress.advance(parsed.size)
    yield from (pyarrow.concat_tables(waiting[archive]) for archive in sorted(waiting))


def _parsed_by_archive(block: bytes) -> tuple[Parsed, list[tuple[str, pyarrow.Table]]]:
    parsed = parse(block)
    return parsed, _by_archive(parsed.papers)


def _by_archive(papers: pyarrow.Table) -> list[tuple[str, pyarrow.Table]]:
    """Archives, each with the papers whose primary category is in it."""
    found = pc.extract_regex(papers["categories"], r"^\s*(?P<archive>[^\s.]*)")
    archives = pc.struct_field(found, "archive").combine_chunks().dictionary_encode()
    names, codes = archives.dictionary.to_pylist(), archives.indices.to_numpy()
    rows = np.split(np.argsort(codes, kind="stable"), np.cumsum(np.bincount(codes, minlength=len(names)))[:-1])
    return [(names[code], papers.take(rows[code])) for code in range(len(names))]


def _in_order(
    pool: concurrent.futures.Executor, function: Callable[[Item], Result], items: Iterable[Item], ahead: int
) -> Iterator[Result]:
    """Map over ``items`` in parallel; yield results in order; at most ``ahead`` items are in progress."""
    waiting: collections.deque[concurrent.futures.Future[Result]] = collections.deque()
    for item in items:
        waiting.append(pool.submit(function, item))
        if len(waiting) >= ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()
