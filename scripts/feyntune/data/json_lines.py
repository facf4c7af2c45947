"""Parsing blocks of JSON lines with arrow's parser, and telling which lines it cannot take."""

import contextlib
import gzip
import re
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import pyarrow
import pyarrow.compute as pc
import pyarrow.json

from feyntune.core.errors import FeynTuneError
from feyntune.data.clean import is_blank
from feyntune.data.schema import SNAPSHOT


@contextlib.contextmanager
def opened(path):
    """Open a plain, ``.gz`` or ``.zip`` file for reading bytes; of a ``.zip`` the one file in it.

    Raises:
        FeynTuneError: the file is missing, empty, damaged, or a ``.zip`` of several files; while it is read, too.
    """
    try:
        with _stream(Path(path)) as stream:
            yield stream
    except (EOFError, zlib.error, gzip.BadGzipFile, zipfile.BadZipFile) as error:
        raise FeynTuneError(f"{path}: damaged archive ({error}); fetch it again") from None


def _stream(path):
    if not path.is_file():
        raise FeynTuneError(f"{path}: no such file; put it there, or correct its path in the configuration")
    if path.stat().st_size == 0:
        raise FeynTuneError(f"{path}: empty file; fetch it again")
    if path.suffix == ".gz":
        return gzip.open(path)
    return _only_member(path) if path.suffix == ".zip" else open(path, "rb")


@contextlib.contextmanager
def _only_member(path):
    with zipfile.ZipFile(path) as archive:
        members = [member for member in archive.namelist() if not member.endswith("/")]
        if len(members) != 1:
            raise FeynTuneError(f"{path}: {len(members)} files in it, not one; unpack the one that is meant")
        with archive.open(members[0]) as stream:
            yield stream


def blocks(stream, size):
    """Cut a stream of bytes into blocks of whole lines, each of ``size`` bytes and the rest of its last line."""
    while block := stream.read(size) + stream.readline():
        yield block


def text_size(path):
    """Size in bytes of the text in the file, or None where the archive does not tell it."""
    path = Path(path)
    if path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            return sum(member.file_size for member in archive.infolist())
    return None if path.suffix == ".gz" else path.stat().st_size


NEEDED = ("id", "categories", "abstract")
"""Fields without which a paper is of no use."""

_READ = pyarrow.json.ReadOptions(use_threads=False, block_size=2**31 - 1)
_PARSE = pyarrow.json.ParseOptions(explicit_schema=SNAPSHOT, unexpected_field_behavior="ignore")


@dataclass
class Parsed:
    """A block of lines: its size in bytes, its lines, the usable papers, and what was wrong with the others."""

    size: int
    lines: int
    papers: pyarrow.Table
    without: dict
    """Papers that lack a needed field, counted at the first that they lack."""
    faults: list
    """Pairs of line, counted in the block from 1, and fault."""


def parse(block):
    """Parse a block of lines of a snapshot."""
    count, faults = block.count(b"\n") + (not block.endswith(b"\n")), []
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
    return Parsed(len(block), count, table, without, faults)


def _table(block, lines):
    """Parse a block of so many lines, or return None if any of them is not one object as the schema wants it.

    Arrow's parser itself takes several values on a line for several rows, takes a ``null`` for an object without
    fields or, as the first value, crashes on it, and passes bytes that are not UTF-8.
    """
    if not block.startswith(b"{") or not _is_utf8(block):
        return None
    try:
        table = pyarrow.json.read_json(pyarrow.BufferReader(block), read_options=_READ, parse_options=_PARSE)
    except pyarrow.ArrowInvalid:
        return None
    no_object = table["id"].null_count and block.count(b"\n{") + 1 < lines
    return None if no_object or table.num_rows != lines else table


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
    """Why arrow's parser does not take a line."""
    if not _is_utf8(line):
        return "not UTF-8"
    if not line.startswith(b"{"):
        return "not a JSON object"
    try:
        pyarrow.json.read_json(pyarrow.BufferReader(line), read_options=_READ, parse_options=_PARSE)
        return "more than one object on the line"
    except pyarrow.ArrowInvalid as error:
        return re.sub(r"^JSON parse error: |\.?( in row \d+)?$", "", str(error).splitlines()[0])
