"""From an arXiv metadata snapshot to a columnar store of its papers: one pass, in bounded memory."""

import collections
import concurrent.futures
import re
from dataclasses import dataclass, field

import pyarrow
import pyarrow.compute as pc
import pyarrow.json
import pyarrow.parquet

from feyntune.data.lines import blocks, opened, text_size
from feyntune.data.schema import SNAPSHOT
from feyntune.data.texts import is_blank
from feyntune.errors import FeynTuneError
from feyntune.files import written_whole
from feyntune.program import Progress

BLOCK = 32_000_000
"""Bytes of a block; fixed, since a block becomes a row group of the store, whose bytes must not vary."""

_READ = pyarrow.json.ReadOptions(use_threads=False, block_size=2**31 - 1)
_PARSE = pyarrow.json.ParseOptions(explicit_schema=SNAPSHOT, unexpected_field_behavior="ignore")


@dataclass
class Report:
    """What was found in a snapshot; of faults, how many and the first few."""

    papers: int = 0
    malformed: int = 0
    malformed_lines: list = field(default_factory=list)
    without_id: int = 0
    without_categories: int = 0
    without_abstract: int = 0
    duplicates: int = 0
    duplicate_ids: list = field(default_factory=list)

    FIRST = 10

    def skip_lines(self, faults):
        """Count malformed lines, given as pairs of line number and fault."""
        self.malformed += len(faults)
        room = self.FIRST - len(self.malformed_lines)
        self.malformed_lines += [{"line": line, "fault": fault} for line, fault in faults[:room]]

    def skip_duplicates(self, ids):
        """Count papers whose ids came before."""
        self.duplicates += len(ids)
        self.duplicate_ids += ids[: self.FIRST - len(self.duplicate_ids)]

    def told(self):
        """The faults in words, those that occurred."""
        first = "".join(f"line {each['line']:,}: {each['fault']}" for each in self.malformed_lines[:1])
        counts = [
            (self.malformed, f"malformed lines ({first})"),
            (self.without_id, "without an id"),
            (self.without_categories, "without categories"),
            (self.without_abstract, "without an abstract"),
            (self.duplicates, "with an id that came before"),
        ]
        return [f"{count:,} {what}" for count, what in counts if count]


def read_snapshot(path, store, threads):
    """Read a snapshot into a parquet file with its fourteen fields, in its order, one row for each id.

    Skipped and counted are: lines that are no JSON objects of the right types, papers with no id, categories or
    abstract, and papers whose id came before (the first is kept). The bytes of the store do not depend on ``threads``.

    Returns:
        Report

    Raises:
        FeynTuneError: no such file, a damaged archive, or not one good paper in it.
    """
    report = Report()
    with opened(path) as stream, written_whole(store) as aside, _writer(aside) as writer:
        for table in _papers(stream, text_size(path), threads, report):
            writer.write_table(table)
        if not report.papers:
            raise FeynTuneError(f"{path}: not one usable paper in it: {', '.join(report.told()) or 'no lines at all'}")
    return report


def _writer(path):
    return pyarrow.parquet.ParquetWriter(path, SNAPSHOT, compression="zstd", use_dictionary=["categories", "license"])


def _papers(stream, size, threads, report):
    seen = set()
    with concurrent.futures.ThreadPoolExecutor(threads) as pool, Progress("reading", size, "bytes") as progress:
        for length, table, faults in _in_order(pool, _parsed_block, blocks(stream, BLOCK), threads + 1):
            report.skip_lines(faults)
            table = _complete(table, report)
            table = _first_of_each_id(table, seen, report)
            report.papers += table.num_rows
            yield table
            progress.advance(length)


def _in_order(pool, function, items, ahead):
    """Map over ``items`` in parallel, results in order, at most ``ahead`` items under way."""
    waiting = collections.deque()
    for item in items:
        waiting.append(pool.submit(function, item))
        if len(waiting) >= ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _parsed_block(numbered):
    number, block = numbered
    table = _table(block, block.count(b"\n") + (not block.endswith(b"\n")))
    if table is not None:
        return len(block), table, []
    lines = [(number + offset, line.strip()) for offset, line in enumerate(block.split(b"\n"))]
    good, faults = _parsed_lines([(line_number, line) for line_number, line in lines if line])
    return len(block), pyarrow.concat_tables([SNAPSHOT.empty_table(), *good]), faults


def _table(block, lines):
    """Parse a block of so many lines, or return None if any of them is not one object as the schema wants it.

    The parser itself takes several values on a line for several rows, passes bytes that are not UTF-8, and crashes on
    a ``null``: these are looked for first.
    """
    objects = block.count(b"\n{") + block.startswith(b"{")
    if objects != lines or not _is_utf8(block):
        return None
    try:
        table = pyarrow.json.read_json(pyarrow.BufferReader(block), read_options=_READ, parse_options=_PARSE)
    except pyarrow.ArrowInvalid:
        return None
    return table if table.num_rows == lines else None


def _is_utf8(block):
    try:
        return block.isascii() or bool(block.decode())
    except UnicodeDecodeError:
        return False


def _parsed_lines(lines):
    """Parse numbered lines by halving until the malformed ones stand alone: tables, and pairs of number and fault."""
    table = _table(b"\n".join(line for _, line in lines), len(lines)) if lines else None
    if table is not None:
        return [table], []
    if len(lines) <= 1:
        return [], [(number, _fault(line)) for number, line in lines]
    middle = len(lines) // 2
    (good, faults), (more_good, more_faults) = _parsed_lines(lines[:middle]), _parsed_lines(lines[middle:])
    return good + more_good, faults + more_faults


def _fault(line):
    """Why the parser refuses a line."""
    if not _is_utf8(line):
        return "not UTF-8"
    if not line.startswith(b"{"):
        return "not a JSON object"
    try:
        pyarrow.json.read_json(pyarrow.BufferReader(line), read_options=_READ, parse_options=_PARSE)
        return "more than one object on the line"
    except pyarrow.ArrowInvalid as error:
        return re.sub(r"^JSON parse error: | in row \d+$", "", str(error).splitlines()[0])


def _complete(table, report):
    """Drop papers without an id, categories or an abstract; count each once, by the first that it lacks."""
    for column in ("id", "categories", "abstract"):
        blank = is_blank(table[column])
        count = pc.sum(blank).as_py() or 0
        setattr(report, f"without_{column}", getattr(report, f"without_{column}") + count)
        table = table.filter(pc.invert(blank)) if count else table
    return table


def _first_of_each_id(table, seen, report):
    ids = table["id"].to_pylist()
    first = [identifier not in seen and not seen.add(identifier) for identifier in ids]
    if all(first):
        return table
    report.skip_duplicates([identifier for identifier, is_first in zip(ids, first, strict=True) if not is_first])
    return table.filter(pyarrow.array(first))
