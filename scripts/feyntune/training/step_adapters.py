"""Copies of the adapter at the evaluation steps: for an archive of all of them, or to publish the best one.

They are in the checkpoint folder, each written before the checkpoint of its step is marked complete. A training that
resumes from a checkpoint therefore has the copies of all earlier steps, and writes those of later steps again.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from feyntune.core.errors import FeynTuneError
from feyntune.core.files import folder_written_whole
from feyntune.training.checkpoints import COPIES, checkpoints, step_of

VALIDATION = "validation_perplexity"
"""The logged number by which the best step is chosen."""


class StepAdapters:
    """The copies of one training.

    Args:
        checkpoints: its checkpoint folder.
        steps: steps after which it is evaluated.
        all_steps: keep the copies of all steps; otherwise those that may be the best at the end.
    """

    def __init__(self, checkpoints: Path, steps: Collection[int], *, all_steps: bool) -> None:
        self.checkpoints, self.steps, self.all_steps = checkpoints, steps, all_steps

    def path(self, step: int) -> Path:
        """The folder of the copy of a step."""
        return self.checkpoints / COPIES / f"{step:08d}"

    def keep(self, step: int, save: Callable[[Path], object]) -> None:
        """Write a copy, if ``step`` is an evaluation step; ``save(folder)`` writes the adapter."""
        if step in self.steps:
            with folder_written_whole(self.path(step)) as aside:
                save(aside)

    def remove_unneeded(self, log: Iterable[Mapping[str, Any]]) -> None:
        """Delete copies that are not the best one up to any checkpoint from which the training may resume.

        Args:
            log: ``TrainerState.log_history``.
        """
        if self.all_steps:
            return
        log = list(log)
        needed = {best_step(log, step_of(checkpoint)) for checkpoint in checkpoints(self.checkpoints)}
        for copy in (self.checkpoints / COPIES).glob("[0-9]*"):
            if int(copy.name) not in needed:
                shutil.rmtree(copy)

    def found(self, step: int) -> Path:
        """The folder of a copy that must be there.

        Raises:
            FeynTuneError: somebody has deleted it.
        """
        folder = self.path(step)
        if not folder.is_dir():
            raise FeynTuneError(f"{folder}: the adapter of step {step} is missing; delete {self.checkpoints}")
        return folder


def best_step(log: Iterable[Mapping[str, Any]], until: int | None = None) -> int | None:
    """The step with the lowest validation perplexity, the first of equal ones; None if there is none.

    The evaluation before the first step does not count: there is no adapter yet.

    Args:
        log: ``TrainerState.log_history``.
        until: the last step that counts; None: all.
    """
    found = {
        entry["step"]: entry[VALIDATION]
        for entry in log
        if 0 < entry["step"] <= (until or entry["step"]) and math.isfinite(entry.get(VALIDATION, math.nan))
    }
    return min(found, key=lambda step: (found[step], step), default=None)
