"""Finished results of expensive jobs, kept by their job fingerprint.

Snakemake deletes a job's outputs before it starts. A wrong setting would therefore cost a finished training. So each
expensive job keeps hard links to its outputs in ``results/kept/``, and the next job with the same fingerprint (code,
settings, weights, data) restores them instead of computing them again. Digests guard against files that were changed
in place. To compute a result again all the same, delete its folder there.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections.abc import Mapping
from pathlib import Path

from feyntune.core.errors import FeynTuneError
from feyntune.core.files import folder_written_whole, read_json, write_json
from feyntune.core.hashing import digest

DIGESTS = "digests.json"
KEPT = 3
"""Results that are kept of each job: the current one and two earlier ones."""


class KeptResults:
    """The kept results of one job, such as the training of one run.

    Args:
        folder: where the results of this job are kept, such as ``results/kept/train/RUN``.
        fingerprint: JSON-able dict of everything that decides the result.
    """

    def __init__(self, folder: Path, fingerprint: Mapping[str, object]) -> None:
        text = json.dumps(fingerprint, sort_keys=True)
        self.folder = folder
        self.place = folder / hashlib.sha256(text.encode()).hexdigest()[:16]

    def restore(self, outputs: Mapping[str, Path]) -> bool:
        """Link the kept files to their places, if there are some with this fingerprint.

        Args:
            outputs: for each name under which a file is kept the path where it belongs.

        Returns:
            Whether the outputs are in place.
        """
        recorded = self._recorded()
        if not all(self._is_intact(name, recorded.get(name)) for name in outputs):
            return False
        for name, path in outputs.items():
            _link(self.place / name, path)
        self._touch(outputs)
        return True

    def keep(self, outputs: Mapping[str, Path]) -> None:
        """Keep finished outputs, and drop the oldest ones of this job beyond ``KEPT``."""
        shutil.rmtree(self.place, ignore_errors=True)
        with folder_written_whole(self.place) as aside:
            for name, path in outputs.items():
                _link(path, aside / name)
            write_json(aside / DIGESTS, {name: digest(path) for name, path in outputs.items()})
        others = sorted((path for path in self.folder.iterdir() if path.is_dir()), key=_changed, reverse=True)
        for surplus in others[KEPT:]:
            shutil.rmtree(surplus)

    def _recorded(self) -> dict[str, str]:
        """The digests of the files when they were kept; none if nothing whole is kept."""
        try:
            return read_json(self.place / DIGESTS)
        except FeynTuneError:
            return {}

    def _is_intact(self, name: str, recorded: str | None) -> bool:
        """Whether a file is kept as it was written."""
        path = self.place / name
        return path.is_file() and digest(path) == recorded

    def _touch(self, outputs: Mapping[str, Path]) -> None:
        """Date the files and their folder now: Snakemake compares times, and the newest results are kept."""
        now = time.time()
        for path in (*outputs.values(), self.place):
            os.utime(path, (now, now))


def _changed(path: Path) -> float:
    return path.stat().st_mtime


def _link(source: Path, target: Path) -> None:
    """Make ``target`` the same file as ``source``, or a copy where the file system has no hard links."""
    target.parent.mkdir(parents=True, exist_ok=True)
    aside = target.with_name(f".{target.name}.{os.getpid()}")
    aside.unlink(missing_ok=True)
    try:
        os.link(source, aside)
    except OSError:
        shutil.copy2(source, aside)
    os.replace(aside, target)
