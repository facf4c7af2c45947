"""Finished parts of a long job, kept on disk, so that a killed job loses minutes and resumes to the same result."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from feyntune.core.errors import FeynTuneError
from feyntune.core.files import read_json, read_table, write_json, write_table

if TYPE_CHECKING:
    import pyarrow

FINGERPRINT = "fingerprint.json"


def _belongs(path: Path, fingerprint: Mapping[str, Any]) -> bool:
    """Whether a file holds this fingerprint; a damaged one does not."""
    try:
        return read_json(path) == fingerprint
    except FeynTuneError:
        return False


class Shards:
    """Tables that are appended to a folder, one file each, and read again by the next process.

    Hold ``locks.locked(folder)`` as long as this object is in use.

    Args:
        folder: where the tables are kept.
        fingerprint: what the job depends on, as JSON: settings, data, weights, code. Tables that were written under
            another fingerprint are deleted.
    """

    def __init__(self, folder: str | Path, fingerprint: Mapping[str, Any]) -> None:
        self.folder = Path(folder)
        path = self.folder / FINGERPRINT
        if not _belongs(path, fingerprint):
            for table in self._paths():
                table.unlink()
            write_json(path, fingerprint)

    def _paths(self) -> list[Path]:
        return sorted(self.folder.glob("[0-9]*.parquet"))

    def _path(self, number: int) -> Path:
        return self.folder / f"{number:06d}.parquet"

    def read(self) -> list[pyarrow.Table]:
        """The tables in the folder, in the order in which they were appended.

        Where one is damaged or missing, it and those after it are deleted: what they held is computed again.
        """
        tables: list[pyarrow.Table] = []
        for path in self._paths():
            try:
                if path != self._path(len(tables)):
                    raise FeynTuneError(f"{self._path(len(tables))}: no such file")
                tables.append(read_table(path))
            except FeynTuneError as error:
                print(f"what is finished from here on is computed again: {error}", flush=True)
                for later in self._paths()[len(tables) :]:
                    later.unlink()
                break
        return tables

    def append(self, table: pyarrow.Table) -> None:
        """Write one more table, completely or not at all."""
        write_table(self._path(len(self._paths())), table)

    def remove(self) -> None:
        """Delete the folder, once the result is written."""
        shutil.rmtree(self.folder)
