"""Parse blocks of JSON lines with arrow's parser, and find the lines that it does not accept."""

from __future__ import annotations

import codecs
import contextlib
import gzip
import re
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TypeAlias, cast

import pyarrow
import pyarrow.compute as pc
import pyarrow.json

from feyntune.core.errors import FeynTuneError, printable
from feyntune.data.papers import is_blank
from feyntune.data.schema import SNAPSHOT


@contextlib.contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """Open a plain, ``.gz`` or ``.zip`` file for reading bytes; a ``.zip`` must hold one file.

    Raises:
        FeynTuneError: the file is missing, empty or damaged (also while it is read), or a ``.zip`` of several files.
    """
    try:
        with _stream(path) as stream:
            yield stream
    except (EOFError, zlib.error, gzip.BadGzipFile, zipfile.BadZipFile) as error:
        raise FeynTuneError(f"{path}: damaged archive ({error}); fetch it again") from None


def _stream(path: Path) -> AbstractContextManager[BinaryIO]:
    if not path.is_file():
        raise FeynTuneError(f"{path}: no such file; put it there, or correct its path in the configuration")
    if path.stat().st_size == 0:
        raise FeynTuneError(f"{path}: empty file; fetch it again")
    if path.suffix == ".gz":
        return cast("AbstractContextManager[BinaryIO]", gzip.open(path))
    return _only_member(path) if path.suffix == ".zip" else open(path, "rb")


@contextlib.contextmanager
def _only_member(path: Path) -> Iterator[BinaryIO]:
    with zipfile.ZipFile(path) as archive:
        members = [member for member in archive.namelist() if not member.endswith("/")]
        if len(members) != 1:
            raise FeynTuneError(f"{path}: {len(members)} files in it, not one; unpack the one that is meant")
        with archive.open(members[0]) as stream:
            yield cast("BinaryIO", stream)


def blocks(stream: BinaryIO, size: int) -> Iterator[bytes]:
    """Cut a stream into blocks of whole lines: ``size`` bytes and the rest of the last line; a BOM is left out."""
    first = (stream.read(size) + stream.readline()).removeprefix(codecs.BOM_UTF8)
    if first:
        yield first
    while block := stream.read(size) + stream.readline():
        yield block


def text_size(path: Path) -> int | None:
    """Size in bytes of the uncompressed text, or None for ``.gz``, which does not record it reliably."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            return sum(member.file_size for member in archive.infolist())
    return None if path.suffix == ".gz" else path.stat().st_size


NEEDED = ("id", "categories", "abstract")
"""Fields that a usable paper must have."""

_READ = pyarrow.json.ReadOptions(use_threads=False, block_size=2**31 - 1)
_PARSE = pyarrow.json.ParseOptions(explicit_schema=SNAPSHOT, unexpected_field_behavior="ignore")

Fault: TypeAlias = tuple[int, str]
"""A line number and what is wrong with the line."""


@dataclass(frozen=True)
class Parsed:
    """A block of lines, parsed."""

    size: int
    """Bytes."""
    lines: int
    ends_with_line_break: bool
    papers: pyarrow.Table
    """The usable papers."""
    without: dict[str, int]
    """Papers that lack a needed field, counted under the first that they lack."""
    faults: list[Fault]
    """Malformed lines, numbered from 1 in the block."""

    @property
    def is_cut(self) -> bool:
        """Whether the last line is malformed and has no line break: if no block follows, the file is incomplete."""
        return not self.ends_with_line_break and [number for number, _ in self.faults[-1:]] == [self.lines]


def parse(block: bytes) -> Parsed:
    """Parse a block of lines of a snapshot."""
    complete = block.endswith(b"\n")
    faults: list[Fault] = []
    count = block.count(b"\n") + (not complete)
    table = _table(block, count)
    if table is None:
        lines = [(number, line.strip()) for number, line in enumerate(block.split(b"\n"), 1)]
        tables, faults = _parsed_lines([(number, line) for number, line in lines if line])
        table = pyarrow.concat_tables([SNAPSHOT.empty_table(), *tables])
    without = {}
    for column in NEEDED:
        blank = is_blank(table[column])
        without[column] = pc.sum(blank).as_py() or 0
        table = table.filter(pc.invert(blank)) if without[column] else table
    return Parsed(len(block), count, complete, table, without, faults)


def _table(block: bytes, lines: int) -> pyarrow.Table | None:
    """Parse a block of so many lines, or return None if any of them is not one object that fits the schema.

    The checks are needed because arrow's parser reads several values on a line as several rows, reads ``null`` as an
    object without fields or, as the first value, crashes on it, accepts bytes that are not UTF-8, and ignores blank
    lines, so that two values on another line would make up for one.
    """
    begins = block.startswith(b"{") + block.count(b"\n{")
    if begins < lines or not _is_utf8(block):
        return None
    try:
        table = pyarrow.json.read_json(pyarrow.BufferReader(block), read_options=_READ, parse_options=_PARSE)
    except pyarrow.ArrowInvalid:
        return None
    return table if table.num_rows == lines else None


def _is_utf8(block: bytes) -> bool:
    try:
        return block.isascii() or bool(block.decode())
    except UnicodeDecodeError:
        return False


def _parsed_lines(lines: Sequence[tuple[int, bytes]]) -> tuple[list[pyarrow.Table], list[Fault]]:
    """Parse numbered lines; halve them recursively until each malformed line is alone."""
    table = _table(b"\n".join(line for _, line in lines), len(lines)) if lines else None
    if table is not None:
        return [table], []
    if len(lines) <= 1:
        return [], [(number, _fault(line)) for number, line in lines]
    middle = len(lines) // 2
    (good, faults), (more_good, more_faults) = _parsed_lines(lines[:middle]), _parsed_lines(lines[middle:])
    return good + more_good, faults + more_faults


def _fault(line: bytes) -> str:
    """Why arrow's parser does not accept a line."""
    if not _is_utf8(line):
        return "not UTF-8"
    if not line.startswith(b"{"):
        return "not a JSON object"
    try:
        pyarrow.json.read_json(pyarrow.BufferReader(line), read_options=_READ, parse_options=_PARSE)
        return "more than one object on the line"
    except pyarrow.ArrowInvalid as error:
        return printable(re.sub(r"^JSON parse error: |\.?( in row \d+)?$", "", str(error).splitlines()[0]))
