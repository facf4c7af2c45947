"""What jobs had made before a run, put back where a job of the run fails.

Snakemake deletes the outputs of a job before it starts, and again after its failure: one damaged result would cost all
earlier tables and figures. So the outputs of all jobs that are about to run get a second name, a hard link under
``results/kept/earlier``, until the run ends.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from feyntune.core.kept import link_or_copy

FOLDER = Path("kept/earlier")
"""Where the second names are, below the folder of results."""
LARGEST = 200_000_000
"""Bytes of a file that is saved although nothing else would keep it: until the run ends it takes its space twice."""


def save(results: Path, outputs: Iterable[Path]) -> list[Path]:
    """Give outputs a second name, so that they outlive their deletion.

    What an interrupted run has left under ``FOLDER`` stays there if it exists nowhere else.

    Args:
        results: the folder of results.
        outputs: paths below it. Those that do not exist, or are folders, are left out; so are files over ``LARGEST``
            that have no other name, such as the one of a kept result.

    Returns:
        The outputs that can be put back.

    Raises:
        OSError: the file system refuses.
    """
    saved = []
    for path in outputs:
        aside = results / FOLDER / path.relative_to(results)
        if _is_saved(path):
            link_or_copy(path, aside)
        if aside.exists():
            saved.append(path)
    return saved


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


def _is_saved(path: Path) -> bool:
    if not path.is_file() or path.is_symlink():
        return False
    state = path.stat()
    return state.st_size <= LARGEST or state.st_nlink > 1


def _files(folder: Path) -> Iterator[Path]:
    """The saved files; a hidden one is a copy that was interrupted."""
    return (path for path in sorted(folder.rglob("*")) if path.is_file() and not path.name.startswith("."))
