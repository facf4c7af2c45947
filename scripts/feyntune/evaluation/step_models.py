"""One base model in memory, with the adapter of one step of a training after another."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from feyntune.evaluation.model import EvaluatedModel, cast_adapters, load_evaluated
from feyntune.models.adapter_archive import extract_step
from feyntune.models.load import load_adapter

if TYPE_CHECKING:
    from peft import PeftModel

    from feyntune.config.schema.evaluated import EvaluationStage


class StepModels:
    """Loads the base model once. Adapters are not merged, so that the next one can take the same places.

    Args:
        base: folder of the base model; of the dequantised one if the settings say so.
        archive: the adapters of all steps (``models.adapter_archive``).
        stage: settings of the job.
    """

    def __init__(self, base: Path, archive: Path, stage: EvaluationStage) -> None:
        self.archive, self.stage = archive, stage
        self.model = load_evaluated(base, None, stage, decoding=True)
        self.adapted: PeftModel | None = None

    def at(self, step: int) -> EvaluatedModel:
        """The model after a step; 0 is the base model, which must be asked for before any other step.

        Raises:
            FeynTuneError: the archive is damaged, or its adapters do not fit the base model.
        """
        if step == 0:
            assert self.adapted is None, "an adapter may change the base model, such as its biases"
            return self.model
        with tempfile.TemporaryDirectory() as folder:
            extract_step(self.archive, step, Path(folder))
            adapted = load_adapter(self.adapted or self.model.causal, folder, self.stage.base_names)
        self.adapted = cast_adapters(adapted, self.stage.precision)
        return self.model  # whose layers now have the adapter inside them
