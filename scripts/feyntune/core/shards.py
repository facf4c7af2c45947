"""Finished parts of a long job, kept on disk, so that a killed job loses minutes and resumes to the same result."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from feyntune.core.files import read_json, read_table, write_json, write_table

if TYPE_CHECKING:
    import pyarrow

FINGERPRINT = "fingerprint.json"


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
        if not path.is_file() or read_json(path) != fingerprint:
            for table in self._paths():
                table.unlink()
            write_json(path, fingerprint)

    def _paths(self) -> list[Path]:
        return sorted(self.folder.glob("[0-9]*.parquet"))

    def read(self) -> list[pyarrow.Table]:
        """The tables in the folder, in the order in which they were appended."""
        return [read_table(path) for path in self._paths()]

    def append(self, table: pyarrow.Table) -> None:
        """Write one more table, completely or not at all."""
        write_table(self.folder / f"{len(self._paths()):06d}.parquet", table)

    def remove(self) -> None:
        """Delete the folder, once the result is written."""
        shutil.rmtree(self.folder)
