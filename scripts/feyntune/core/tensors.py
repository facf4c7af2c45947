"""Dictionaries of tensors and plain values in ``.pt`` files that ``torch.load(weights_only=True)`` reads."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from feyntune.core.errors import FeynTuneError
from feyntune.core.files import MADE_AGAIN, reason, unreadable, written_whole


def write_tensors(path: str | Path, content: dict[str, Any]) -> None:
    """Write a dict with ``torch.save``, completely or not at all; the bytes depend only on the content."""
    import torch

    # A file object, not a name: torch writes the name of the file into the file.
    with written_whole(path) as aside, open(aside, "wb") as file:
        torch.save(content, file)


def read_tensors(path: str | Path, keys: Iterable[str], verified: bool = False) -> dict[str, Any]:
    """Read a dict with these ``keys``, mapped into memory, so that unused tensors are not loaded.

    Args:
        path: a file of ``write_tensors``.
        keys: what the dict must have.
        verified: compare the checksums (CRC-32) of all of it first, which reads the whole file; torch does not.

    Raises:
        FeynTuneError: no such file, not readable, damaged, or a key is missing.
    """
    import pickle

    import torch

    with unreadable(path, "not a readable .pt file", RuntimeError, pickle.UnpicklingError, EOFError, ValueError):
        if verified:
            _check_sums(path)
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    missing = [key for key in keys if not isinstance(content, dict) or key not in content]
    if missing:
        raise FeynTuneError(f"{path}: no {missing[0]!r} in it; it is not a file of this project; {MADE_AGAIN}")
    return content


def _check_sums(path: str | Path) -> None:
    """Raise FeynTuneError if a part of a file does not have the checksum that torch.save has written beside it."""
    import zipfile
    import zlib

    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
            expected = archive.getinfo(damaged).CRC if damaged else 0
    except (zipfile.BadZipFile, zlib.error, NotImplementedError) as error:
        raise FeynTuneError(f"{path}: not a readable .pt file ({reason(error)}); {MADE_AGAIN}") from None
    if damaged:
        raise FeynTuneError(f"{path}: damaged: {damaged} does not have its checksum {expected:08x}; {MADE_AGAIN}")
