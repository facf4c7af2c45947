"""The adapters of several steps of one training in one file: an uncompressed zip with a folder for each step."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path

from feyntune.core.errors import FeynTuneError
from feyntune.core.files import unreadable, written_whole

EPOCH = (1980, 1, 1, 0, 0, 0)
"""The date of every entry, so that equal adapters give equal bytes."""


def write_archive(path: Path, folders: Mapping[int, Path]) -> None:
    """Write the files of folders into an archive, completely or not at all.

    Args:
        path: the file to write.
        folders: adapter folders by step.
    """
    with written_whole(path) as aside, zipfile.ZipFile(aside, "w") as archive:
        for step, folder in sorted(folders.items()):
            for file in sorted(folder.iterdir()):
                entry = zipfile.ZipInfo(f"{step:08d}/{file.name}", EPOCH)
                entry.file_size = file.stat().st_size  # decides whether the entry needs 64 bits
                with file.open("rb") as content, archive.open(entry, "w") as target:
                    while block := content.read(2**20):
                        target.write(block)


def archived_steps(path: Path) -> list[int]:
    """The steps whose adapters are in an archive, in order.

    Raises:
        FeynTuneError: no such file, or no archive of adapters.
    """
    with _opened(path) as archive:
        return sorted({int(name.split("/")[0]) for name in archive.namelist()})


def extract_step(path: Path, step: int, folder: Path) -> None:
    """Write the adapter of a step into ``folder``; the checksums of its files are verified.

    Raises:
        FeynTuneError: the archive is damaged, or has no such step.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with _opened(path) as archive:
        names = [name for name in archive.namelist() if name.startswith(f"{step:08d}/")]
        if not names:
            raise FeynTuneError(f"{path}: has no adapter of step {step}; delete it and run again")
        with unreadable(path, "a damaged archive", zipfile.BadZipFile, EOFError):
            for name in names:
                (folder / Path(name).name).write_bytes(archive.read(name))


def _opened(path: Path) -> zipfile.ZipFile:
    with unreadable(path, "not an archive of adapters", zipfile.BadZipFile, ValueError):
        return zipfile.ZipFile(path)
