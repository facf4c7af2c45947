"""Finished pieces of a long piece of work, so that a killed job loses minutes and goes on to the same result."""

import shutil
from pathlib import Path

from feyntune.core.files import read_json, read_table, write_json, write_table
from feyntune.core.hashing import content_hash

__all__ = ["Shards", "content_hash"]


class Shards:
    """Tables that are appended to a folder, one file each, and read again by the next process.

    ``note`` (a JSON-able dict) says what the work depends on: settings, data, weights, code. Pieces that were left
    under another note are dropped. Hold ``locks.locked(folder)`` as long as this lives.
    """

    def __init__(self, folder, note):
        self.folder = Path(folder)
        if not self._belongs_to(note):
            for path in self._paths():
                path.unlink()
            write_json(self.folder / "note.json", note)

    def _belongs_to(self, note):
        path = self.folder / "note.json"
        return path.is_file() and read_json(path) == note

    def _paths(self):
        return sorted(self.folder.glob("[0-9]*.parquet"))

    def read(self):
        """The tables that are there, in the order in which they were appended."""
        return [read_table(path) for path in self._paths()]

    def append(self, table):
        """Write one more table, whole or not at all."""
        write_table(self.folder / f"{len(self._paths()):06d}.parquet", table)

    def remove(self):
        """Remove the folder: the result is written."""
        shutil.rmtree(self.folder)
