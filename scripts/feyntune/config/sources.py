"""Files of the user's that results are made from: whether they are there, and what is left when they are not.

Results stay valid when their source is moved or deleted. Snakemake would delete them, and make them again from
nothing: so the rule that makes them then does not apply, and Snakemake takes them as they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from feyntune.core.dates import seconds_ahead
from feyntune.core.errors import FeynTuneError
from feyntune.core.files import read_json, write_json


@dataclass(frozen=True)
class SourceFiles:
    """Files of the user's, and the results that are made from them."""

    place: str
    """Place in the configuration, such as ``$.snapshots.arxiv``."""
    files: Sequence[str]
    """Paths of the files; those under ``results/`` are made by the workflow and are never missing."""
    settings: Any
    """The settings with which the results are made, JSON-able."""
    outputs: Sequence[str]
    """Paths of the results."""
    record: str
    """Path of the JSON file in which ``note`` recorded what the results were made from."""

    @property
    def missing(self) -> list[str]:
        """Those of the files that are not there."""
        return [file for file in self.files if not file.startswith("results/") and not Path(file).exists()]

    @property
    def is_made(self) -> bool:
        """Whether all results are there."""
        return all(Path(output).is_file() for output in self.outputs)

    def is_left(self) -> bool:
        """Whether the source is gone and its results are still valid.

        Raises:
            FeynTuneError: the source is gone, and the results were made from other files or with other settings.
        """
        if not self.missing or not self.is_made:
            return False
        if Path(self.record).exists() and read_json(self.record) != self._made_from():
            raise FeynTuneError(
                f"config: {self.place}: no file {self.missing[0]!r}, and {self.outputs[0]} was made from other files or"
                " settings; put the file there, or set it back"
            )
        return True

    def explain(self) -> str:
        """One line about results whose source is gone."""
        left = self.outputs[0]
        return f"note: {self.place}: no file {self.missing[0]!r}; {left} was made from it and stays valid"

    def _made_from(self) -> dict[str, Any]:
        return {"files": list(self.files), "settings": self.settings}


def note(record: Path, files: Iterable[str | Path], settings: Any) -> None:
    """Record what results were made from; the workflow compares it when the files are gone.

    Args:
        record: JSON file to write.
        files: paths of the files, as the configuration names them.
        settings: the settings, JSON-able.
    """
    write_json(record, {"files": [str(file) for file in files], "settings": settings})


def check_dates(place: str, files: Iterable[str | Path]) -> None:
    """Refuse files that are dated in the future.

    Snakemake deletes a finished result that is older than its input, and would make it again each time.

    Raises:
        FeynTuneError: with the place in the configuration and the remedy.
    """
    for file in files:
        if ahead := seconds_ahead(Path(file)):
            raise FeynTuneError(
                f"config: {place}: {file} is dated {ahead / 3600:,.1f} hours in the future, so results would always be"
                " older; correct its date with `touch`, or this machine's clock"
            )
