"""The runs that can be tried: those of a configuration whose model is on this machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from feyntune.config.folders import adapter_folder, dequantised_folder, run_model_folder
from feyntune.config.runs import resolve_runs
from feyntune.config.stages import completion_stage
from feyntune.core.errors import FeynTuneError, shorten

if TYPE_CHECKING:
    from feyntune.config.load import Configuration
    from feyntune.config.runs import Run
    from feyntune.config.schema.generation import CompletionStage


@dataclass(frozen=True)
class TriedRun:
    """A run with its model on this machine."""

    name: str
    stage: CompletionStage
    """Settings of its completions, as in the workflow."""
    base: Path
    """Folder of the base model."""
    adapter: Path | None
    """Folder of the adapter; None for the base model alone."""
    source: str
    """Name of its base model in the configuration."""
    layers: str | None
    """Name of its layer set."""

    @property
    def shared(self) -> tuple[str, str]:
        """What runs must have in common to share one base model in memory."""
        how = self.stage.model_dump_json(include={"quantization", "precision", "weights"})
        return str(self.base), how


def runs_with_models(configuration: Configuration, engine: str = "transformers") -> dict[str, TriedRun]:
    """The runs of a configuration that can be tried with an engine, by name."""
    found = {name: _tried(configuration, run, engine) for name, run in resolve_runs(configuration).items() if run.model}
    return {name: run for name, run in found.items() if _has_files(run)}


def chosen_runs(available: Mapping[str, TriedRun], names: Sequence[str]) -> list[TriedRun]:
    """The runs with these names, each once.

    Args:
        available: from ``runs_with_models``.
        names: names of runs.

    Raises:
        FeynTuneError: there is no such run, or its model is not on this machine; the text lists those that are.
    """
    if not available:
        raise FeynTuneError("no run of this configuration has a model on this machine; run snakemake first")
    for name in names:
        if name not in available:
            raise FeynTuneError(f"no model of a run {shorten(name, 40)} on this machine; there is {_listed(available)}")
    return [available[name] for name in dict.fromkeys(names)]


def _listed(names: Mapping[str, object], width: int = 66) -> str:
    """As many names as fit into a line, and the number of the others."""
    known = list(names)
    shown = [name for place, name in enumerate(known) if place == 0 or len(", ".join(known[: place + 1])) <= width]
    more = f" and {len(known) - len(shown)} more: try.py without a name lists them" if len(shown) < len(known) else ""
    return ", ".join(shown) + more


def _tried(configuration: Configuration, run: Run, engine: str) -> TriedRun:
    stage = completion_stage(configuration, run, next(iter(configuration.evaluation_sets)))
    base = Path(run_model_folder(configuration, run))
    if stage.weights != "quantised" or (engine == "vllm" and stage.quantization.method != "none" and not run.is_full):
        dequantised = Path(dequantised_folder(str(run.model), stage))
        is_there = (dequantised / "config.json").is_file()
        base = dequantised if is_there else base
        # Quantised weights are the same numbers, dequantised at every use.
        stage = stage.model_copy(update={"weights": "dequantised" if is_there else "quantised"})
    adapter = Path(adapter_folder(run)) if run.has_adapter else None
    return TriedRun(run.name, stage, base, adapter, str(run.model), run.layers)


def _has_files(run: TriedRun) -> bool:
    adapted = run.adapter is None or (run.adapter / "adapter_config.json").is_file()
    return adapted and (run.base / "config.json").is_file()
