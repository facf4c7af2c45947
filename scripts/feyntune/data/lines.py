"""Reading a file of JSON lines, however packed, in blocks of whole lines."""

import contextlib
import gzip
import zipfile
import zlib
from pathlib import Path

from feyntune.errors import FeynTuneError


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
