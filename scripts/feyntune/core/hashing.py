"""Digests of files, which identify content independent of time and place."""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from feyntune.core.errors import FeynTuneError
from feyntune.core.files import read_json, write_json

LARGE = 50_000_000
"""Bytes from which the digest of a file is remembered: it takes longer to compute than to look up."""
SETTLED = 2.0
"""Seconds since the last change after which a digest is remembered: an earlier second change may have the same time."""

FRESH = 7 * 86400
"""Seconds for which a remembered digest stands for reading a file: decay of a disk changes no time of a file."""


def digest(path: str | Path) -> str:
    """SHA-256 of a file's content."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def git_digest(path: Path) -> str:
    """The hash that git has for a file with this content."""
    content = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def json_digest(content: Any) -> str:
    """SHA-256 of JSON-able content; the order of keys does not count."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def content_hash(*folders: str | Path, digest_of: Callable[[Path], str] | None = None) -> str:
    """SHA-256 over names and contents of all files of folders, such as a model's and its adapter's.

    It prevents that interrupted work continues with other weights. Digests of large files are remembered.

    Args:
        folders: the folders.
        digest_of: function from a file to its digest; by default ``known_digest``.
    """
    digest_of = digest_of or known_digest
    total = hashlib.sha256()
    for folder in folders:
        for path in sorted(path for path in Path(folder).rglob("*") if path.is_file()):
            total.update(f"{path.relative_to(folder)} {digest_of(path)}\n".encode())
    return total.hexdigest()


def known_digest(path: Path) -> str:
    """SHA-256 of a file's content, without reading a large file that was read before, or a file of the hub's cache.

    Files of the hub's cache have it as their name; otherwise as ``content_digest``.
    """
    return _named_digest(_real(path)) or content_digest(path)


def content_digest(path: Path) -> str:
    """SHA-256 of a file's content, without reading a large file that was read before.

    Of large files it is remembered, under the user's cache folder, for a week, as long as their size, times and inode
    stay the same; a memory that cannot be read or written is ignored.
    """
    blob = _real(path)
    remembered = _remembered(blob, FRESH)
    if remembered:
        return remembered
    state = _state(blob)
    found = digest(blob)
    if _state(blob) == state and time.time() - max(blob.stat().st_mtime, blob.stat().st_ctime) > SETTLED:
        with contextlib.suppress(FeynTuneError):
            write_json(_memory(blob), {**state, "sha256": found})
    return found


def remembered_digest(path: Path) -> str | None:
    """The same as ``known_digest``, but None for a large file whose digest is not remembered: it takes no time."""
    blob = _real(path)
    return _named_digest(blob) or _remembered(blob)


def _real(path: Path) -> Path:
    """The file that a path leads to; unlike ``resolve``, this does not fail where links lead in a circle."""
    return Path(os.path.realpath(path))


def _named_digest(blob: Path) -> str | None:
    """The digest in the name of a file of the hub's cache; None for other files."""
    return blob.name if blob.parent.name == "blobs" and re.fullmatch(r"[0-9a-f]{64}", blob.name) else None


def _remembered(blob: Path, seconds: float = math.inf) -> str | None:
    if blob.stat().st_size < LARGE:
        return digest(blob)
    with contextlib.suppress(FeynTuneError, OSError):
        remembered = read_json(_memory(blob))
        is_fresh = time.time() - _memory(blob).stat().st_mtime <= seconds
        if is_fresh and {**remembered, "sha256": None} == {**_state(blob), "sha256": None}:
            return str(remembered["sha256"])
    return None


def _memory(blob: Path) -> Path:
    """Where the digest of a file is remembered: in a file of its own, so that processes do not disturb each other."""
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "feyntune/digests"
    return folder / f"{hashlib.sha256(str(blob).encode()).hexdigest()[:32]}.json"


def _state(path: Path) -> dict[str, object]:
    """What changes when the content of a file does."""
    found = path.stat()
    return {
        "path": str(path),
        "size": found.st_size,
        "mtime_ns": found.st_mtime_ns,
        "ctime_ns": found.st_ctime_ns,
        "inode": found.st_ino,
    }
