"""Finished results of expensive jobs, kept by their fingerprint.

Snakemake deletes the outputs of a job before it starts. Without a copy, a wrong setting would cost a finished training.
So each expensive job keeps hard links to its outputs under ``results/kept/``. A later job with the same fingerprint
(settings, code, inputs, libraries) restores them instead of computing them again. Digests protect against files that
were changed in place.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from feyntune.core.cli import say
from feyntune.core.errors import FeynTuneError
from feyntune.core.files import flush_to_disk, folder_written_whole, read_json, write_json
from feyntune.core.hashing import content_hash, digest, json_digest, known_digest
from feyntune.core.provenance import library_versions

RECORD = "kept.json"
"""File of a kept result with its fingerprint and the digests of its files."""
RESTORED = "restored"
"""File that is beside the kept results of a job if its last run restored one: its benchmark then measures nothing."""
NUMBER = 3
"""Results that are kept of each job, the newest ones, unless the job says otherwise."""


def fingerprint(code: str, settings: Mapping[str, Any], inputs: Mapping[str, str | None]) -> dict[str, Any]:
    """Everything that decides a result.

    Args:
        code: fingerprint of the program's code.
        settings: the settings of the job, as JSON-able content.
        inputs: digests of the inputs; None for an input that cannot be read.
    """
    return {"code": code, "settings": settings, "inputs": dict(inputs), "libraries": library_versions()}


def file_digest(path: Path) -> str | None:
    """SHA-256 of a file's content; None if it cannot be read: the job itself reports that."""
    try:
        return known_digest(path)
    except OSError:
        return None


def folder_digest(folder: Path) -> str | None:
    """SHA-256 over all files of a folder; None if one cannot be read."""
    try:
        return content_hash(folder)
    except OSError:
        return None


def adapter_digests(folder: Path | None) -> dict[str, str | None]:
    """Digests of the files of an adapter that decide what it says; none without an adapter."""
    return {path.name: file_digest(path) for path in sorted(folder.glob("adapter_*"))} if folder else {}


class KeptResults:
    """The kept results of one job, such as the training of one run.

    Args:
        folder: where the results of this job are kept, such as ``results/kept/train/RUN``.
        fingerprint: from ``fingerprint``.
        number: results that are kept, the newest ones.
    """

    def __init__(self, folder: Path, fingerprint: Mapping[str, Any], number: int = NUMBER) -> None:
        self.folder, self.fingerprint, self.number = folder, fingerprint, number
        self.place = folder / json_digest(fingerprint)[:16]

    def digests(self) -> dict[str, str]:
        """Digests of the files that are kept under this fingerprint, by name; empty if none are."""
        try:
            return dict(read_json(self.place / RECORD)["digests"])
        except (FeynTuneError, KeyError, TypeError, ValueError):
            return {}

    def restore(self, outputs: Sequence[Path]) -> bool:
        """Put the kept files into their places, if this job has finished before with this fingerprint.

        Args:
            outputs: paths of the job's outputs, with names that differ.

        Returns:
            Whether the outputs are in place.
        """
        if not self.place.exists():
            return False
        try:
            self._check(outputs)
            for path in outputs:
                link_or_copy(self.place / path.name, path)
            _touch([*outputs, self.place])
            (self.folder / RESTORED).touch()
        except (OSError, FeynTuneError) as error:
            say(f"{self.place}: cannot be restored ({_reason(error)}); computing the result again")
            return False
        say(f"restored from {self.place}: same settings, code and inputs; to compute again, delete that folder first")
        return True

    def _check(self, outputs: Sequence[Path]) -> None:
        """Raise FeynTuneError unless all files are kept with their recorded content."""
        recorded = self.digests()
        for path in outputs:
            if digest(self.place / path.name) != recorded.get(path.name):
                raise FeynTuneError(f"{path.name} was changed")

    def keep(self, outputs: Sequence[Path]) -> None:
        """Keep finished outputs, and delete the oldest results of this job beyond ``number``.

        A failure is reported and does no harm: the outputs are finished.
        """
        try:
            shutil.rmtree(self.place, ignore_errors=True)
            with folder_written_whole(self.place) as aside:
                for path in outputs:
                    link_or_copy(path, aside / path.name)
                digests = {path.name: digest(path) for path in outputs}
                write_json(aside / RECORD, {"fingerprint": self.fingerprint, "digests": digests})
            (self.folder / RESTORED).unlink(missing_ok=True)
            for surplus in _newest(self.folder.iterdir())[self.number :]:
                shutil.rmtree(surplus)
        except (OSError, FeynTuneError) as error:
            say(f"{self.folder}: the result is finished, but cannot be kept there ({_reason(error)})")


def was_restored(job: str, results: Path) -> bool:
    """Whether the last run of a job restored its result.

    Args:
        job: stage and wildcards, such as ``perplexity/hep-th/tiny_base``.
        results: the folder ``results``.
    """
    return (results / "kept" / job / RESTORED).is_file()


def _newest(paths: Iterable[Path]) -> list[Path]:
    """The folders among paths, those that were changed last in front."""
    return sorted((path for path in paths if path.is_dir()), key=lambda path: path.stat().st_mtime, reverse=True)


def _touch(paths: Iterable[Path]) -> None:
    """Date files now: Snakemake compares times, and the newest results are kept."""
    now = time.time()
    for path in paths:
        os.utime(path, (now, now))


def link_or_copy(source: Path, target: Path) -> None:
    """Make ``target`` the same file as ``source``, or a copy where the file system has no hard links."""
    target.parent.mkdir(parents=True, exist_ok=True)
    aside = target.with_name(f".{target.name}.{os.getpid()}")
    aside.unlink(missing_ok=True)
    try:
        try:
            os.link(source, aside)
        except OSError:
            shutil.copy2(source, aside)
            flush_to_disk(aside)
        os.replace(aside, target)
    finally:
        aside.unlink(missing_ok=True)


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error).splitlines()[0][:80]
