"""What jobs had made before a run, put back where a job of the run fails.

Snakemake deletes the outputs of a job before it starts, and again after its failure: one damaged result would cost all
earlier tables and figures. So the outputs of all jobs that are about to run get a second name, a hard link under
``results/kept/earlier``, until the run ends. Where jobs run (here, on a cluster) does not matter: all of them delete
the first name only.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from feyntune.core.kept import link_or_copy

FOLDER = Path("kept/earlier")
"""Where the second names are, below the folder of results."""
LARGEST = 200_000_000
"""Bytes of a file that is saved where that may cost space: as a copy, or on a disk that is nearly full."""


def save(results: Path, outputs: Iterable[Path]) -> tuple[list[Path], list[Path]]:
    """Give outputs a second name, so that they outlive their deletion.

    What an interrupted run has left under ``FOLDER`` stays there if it exists nowhere else. A link costs nothing until
    the new output is written beside it: if the disk has no room for both, files over ``LARGEST`` are left out.

    Args:
        results: the folder of results.
        outputs: paths below it. Those that do not exist, or are folders, are left out.

    Returns:
        The outputs that can be put back, and those that are there and cannot, because they are too large.

    Raises:
        OSError: the file system refuses.
    """
    saved, too_large = [], []
    outputs = list(outputs)
    twice = _size_of_only(outputs)
    is_room = not twice or twice < shutil.disk_usage(results).free
    for path in outputs:
        aside = results / FOLDER / path.relative_to(results)
        if path.is_file() and not path.is_symlink() and not _save(path, aside, is_room):
            too_large.append(path)
        elif aside.exists():
            saved.append(path)
    return saved, too_large


def _save(path: Path, aside: Path, is_room: bool) -> bool:
    """Link a file, or copy it; False if it is too large for that."""
    state = path.stat()
    if state.st_size <= LARGEST:
        link_or_copy(path, aside)
        return True
    aside.unlink(missing_ok=True)  # of an interrupted run, older than the file
    if not is_room and state.st_nlink == 1:
        return False
    with contextlib.suppress(OSError):
        aside.parent.mkdir(parents=True, exist_ok=True)
        os.link(path, aside)
    return aside.exists()


def _size_of_only(paths: Iterable[Path]) -> int:
    """Bytes of the files that have no other name, such as the one of a kept result."""
    states = [path.stat() for path in paths if path.is_file() and not path.is_symlink()]
    return sum(state.st_size for state in states if state.st_nlink == 1)


def put_back(results: Path) -> list[Path]:
    """Put the saved outputs back that are missing now, as old as they were, and drop the others; returns their paths.

    Raises:
        OSError: the file system refuses.
    """
    back = []
    for aside in _files(results / FOLDER):
        path = results / aside.relative_to(results / FOLDER)
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            os.replace(aside, path)
            back.append(path)
    shutil.rmtree(results / FOLDER, ignore_errors=True)
    return back


def _files(folder: Path) -> Iterator[Path]:
    """The saved files; a hidden one is a copy that was interrupted."""
    return (path for path in sorted(folder.rglob("*")) if path.is_file() and not path.name.startswith("."))
