"""Checks of all trainings before Snakemake starts a job: what a training would refuse is refused before it.

Snakemake deletes the outputs of a job before it starts. A training that refuses its settings would cost the adapter of
the last training; these checks cost seconds, and need no GPU. They look at settings and models only: datasets may be
about to be made again.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from feyntune.config.schema.training import Tracking, TrainingStage
from feyntune.core.errors import FeynTuneError
from feyntune.core.files import read_json, write_json
from feyntune.core.hashing import json_digest


@dataclass(frozen=True)
class PlannedTraining:
    """A training that may run."""

    base: Path
    """Folder of the base model."""
    gpus: int
    """Data-parallel processes; 0: one process on the CPU."""
    settings: TrainingStage
    repository: str | None = None
    """Repository of the base model on the hub; None for a local one."""
    revision: str | None = None
    """Its commit or tag."""

    @property
    def model(self) -> dict[str, Any]:
        """Configuration of the base model; empty if it is not there yet, or about to be fetched or made again."""
        if self.repository and not self._is_fetched():
            return {}
        return _read_dict(self.base / "config.json")

    def _is_fetched(self) -> bool:
        """Whether the folder has the configured revision; what a tag meant when it was fetched is not known."""
        receipt = _read_dict(self.base / "fetched.json")
        is_commit = re.fullmatch(r"[0-9a-f]{40}", self.revision or "")
        return receipt.get("repository") == self.repository and (not is_commit or receipt["commit"] == self.revision)


def refuse_faults(trainings: Sequence[PlannedTraining], tracking: Tracking, code: str, record: Path) -> None:
    """Check all trainings whose base model is there, unless they passed before.

    Args:
        trainings: the trainings.
        tracking: tracking settings.
        code: fingerprint of the code.
        record: file with a fingerprint of what passed last.

    Raises:
        FeynTuneError: some cannot run; a line for the first of them.
    """
    present = [each for each in trainings if each.model]
    fingerprint = _fingerprint(present, tracking, code)
    if not present or _read_dict(record).get("passed") == fingerprint:
        return
    found = faults(present, tracking)
    if found:
        more = f" ({len(found) - 1} more trainings have faults)" if len(found) > 1 else ""
        raise FeynTuneError(found[0] + more)
    write_json(record, {"passed": fingerprint})


def faults(trainings: Sequence[PlannedTraining], tracking: Tracking) -> list[str]:
    """What is wrong with trainings, a line for each that cannot run."""
    from feyntune.training.checks import check_settings

    found = []
    for each in trainings:
        try:
            check_settings(each.settings, each.base, each.gpus, tracking)
        except FeynTuneError as error:
            found.append(f"{each.settings.run}: {error}")
    return found


def _read_dict(path: Path) -> dict[str, Any]:
    """The content of a JSON file; empty if it cannot be read."""
    try:
        return read_json(path)
    except FeynTuneError:
        return {}


def _fingerprint(trainings: Sequence[PlannedTraining], tracking: Tracking, code: str) -> str:
    models = {str(each.base): each.model for each in trainings}
    settings = [[str(each.base), each.gpus, each.settings.model_dump(mode="json")] for each in trainings]
    return json_digest([code, tracking.model_dump(mode="json"), models, settings])
