"""What the operating system refuses (a full disk, a missing permission, a folder for a file) as errors of one line."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path

from feyntune.core.errors import FeynTuneError

FULL = {
    errno.ENOSPC: "the disk is full; free some space and run again",
    errno.EDQUOT: "the disk quota is used up; free some space and run again",
    errno.EFBIG: "the file is larger than the system allows here; raise that limit (ulimit -f) and run again",
}
"""Faults that mean that a file cannot be written to its end, and their remedies."""
SIGNS = {
    "No space left on device": errno.ENOSPC,
    "os error 28": errno.ENOSPC,  # libraries in Rust, such as safetensors
    "Disk quota exceeded": errno.EDQUOT,
    "os error 122": errno.EDQUOT,
    "File too large": errno.EFBIG,
    "os error 27": errno.EFBIG,
    "PytorchStreamWriter failed": errno.ENOSPC,  # torch.save does not say why a file could not be written
    "unexpected pos": errno.ENOSPC,
    "iostream error": errno.ENOSPC,
}
"""The same in the texts of libraries' errors."""
REFUSED = {
    errno.EACCES: "no permission; change its permissions, or name another path",
    errno.EPERM: "not permitted; name another path",
    errno.EROFS: "on a read-only file system; name another path",
    errno.ENOENT: "no such file or folder; check the path",
    errno.ENOTDIR: "a part of this path is a file, not a folder; check the path",
    errno.EISDIR: "is a folder, not a file; check the path",
    errno.EEXIST: "is there already, and is a file, not a folder; name another path",
    errno.ENAMETOOLONG: "the name is too long; choose a shorter one",
    errno.ELOOP: "links that lead in a circle; check the path",
    errno.EIO: "the disk or its network fails; check it, and run again",
    errno.ESTALE: "the network file system fails; check it, and run again",
    errno.ENODEV: "not an ordinary file; check the path",
}
"""Faults of a path, and their remedies."""


def write_fault(error: BaseException | None) -> str | None:
    """Why a file could not be written to its end, with the remedy, if an error or one that led to it says so."""
    chain = list(_chain(error))
    known = [each.errno for each in chain if isinstance(each, OSError) and each.errno in FULL]
    named = [number for each in chain for sign, number in SIGNS.items() if _is_of_library(each) and sign in str(each)]
    return next((FULL[number] for number in [*known, *named]), None)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error, and those that led to it: libraries fail again when they close a file that they could not write."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _is_of_library(error: BaseException) -> bool:
    # The tokenizers library raises plain Exception.
    return isinstance(error, OSError | RuntimeError) or type(error).__name__ in ("SafetensorError", "Exception")


def system_error(error: BaseException) -> FeynTuneError | None:
    """The FeynTuneError that says what the operating system refused; None for any other error."""
    if isinstance(error, MemoryError):
        return FeynTuneError("out of memory; raise mem_mb of this stage in resources")
    path = _path(error)
    if fault := write_fault(error):
        return FeynTuneError(f"{path}: cannot be written: {fault}" if path else fault)
    if isinstance(error, OSError) and error.errno in REFUSED and path:
        return FeynTuneError(f"{path}: {REFUSED[error.errno]}")
    return None


def _path(error: BaseException) -> str | None:
    name = error.filename if isinstance(error, OSError) else None
    return os.fsdecode(name) if isinstance(name, str | bytes | os.PathLike) else None


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """While the block writes ``path``, or a file beside it that becomes ``path``, name it where the system refuses."""
    try:
        yield
    except FeynTuneError:
        raise
    except Exception as error:
        if fault := write_fault(error):
            raise FeynTuneError(f"{path}: cannot be written: {fault}") from error
        named = _path(error)
        if named and isinstance(error, OSError) and error.errno in REFUSED:
            if _becomes(Path(named), path):
                raise FeynTuneError(f"{path}: cannot be written: {REFUSED[error.errno]}") from error
            if path.is_relative_to(named):
                raise FeynTuneError(f"{path}: cannot be written: {named}: {REFUSED[error.errno]}") from error
        raise


def _becomes(named: Path, path: Path) -> bool:
    """Whether a file is ``path``, or is or is in what lies beside it until it is complete."""
    if not named.is_relative_to(path.parent):
        return False
    first = named.relative_to(path.parent).parts[:1]
    return named == path or bool(first and first[0].startswith((f".{path.stem}.", f".{path.name}.")))
