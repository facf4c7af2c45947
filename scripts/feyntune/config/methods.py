"""What a run trains: an adapter, or all weights of its base model (`training.method`)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from feyntune.config.grid import PLACE
from feyntune.config.overrides import section_of
from feyntune.config.schema.models import Quantization
from feyntune.config.schema.training import Training
from feyntune.core.errors import FeynTuneError

if TYPE_CHECKING:
    from feyntune.config.load import Configuration
    from feyntune.config.runs import Run
    from feyntune.config.schema.runs import NamedRun, Overrides
    from feyntune.config.schema.training import Method

FULL = "full"
"""The method that trains all weights, and what stands in the place of a layer set for its runs."""
FSDP = "fsdp"
"""The value of ``training.parallel`` that divides a model among GPUs."""


def method_of(configuration: Configuration, model: str | None, run: str | None = None) -> Method:
    """The method by which a run is trained; of a model's runs in the grid without the name of a ``run``."""
    method = configuration.training.method
    for overrides in (configuration.models.get(str(model)), configuration.runs.get(str(run))):
        if overrides and overrides.training and "method" in overrides.training.model_fields_set:
            method = overrides.training.method
    return method


def layer_sets_of(configuration: Configuration, model: str) -> list[str]:
    """The last parts of the names of a model's runs in the grid: layer sets, or ``full``."""
    return [FULL] if method_of(configuration, model) == FULL else configuration.grid.layer_sets


def layers_of(configuration: Configuration, name: str, entry: NamedRun) -> str | None:
    """The layer set of a named run, or ``full``.

    Raises:
        FeynTuneError: the run's method and its layers do not belong together.
    """
    if entry.adapter or entry.completions:
        return entry.layers
    is_full = method_of(configuration, entry.model, name) == FULL
    if is_full and entry.layers:
        raise FeynTuneError(
            f"config: $.runs.{name}.layers: training.method full trains all layers; remove 'layers', or set it to lora"
        )
    if not is_full and not entry.layers:
        raise FeynTuneError(
            f"config: $.runs.{name}: needs 'dataset' and 'layers'; give both to train it, or 'adapter' to evaluate only"
        )
    return FULL if is_full else entry.layers


def check_methods(configuration: Configuration, runs: Mapping[str, Run]) -> None:
    """Refuse settings that have no effect with ``training.method: full``.

    Raises:
        FeynTuneError: there is one.
    """
    if any(run.variation.overrides and _names_method(run.variation.overrides) for run in runs.values()):
        raise FeynTuneError(
            f"config: {PLACE}: training.method cannot be varied; set it for a model in $.models or a run in $.runs"
        )
    if not any(run.is_full for run in runs.values()):
        return
    if FULL in configuration.layer_sets:
        raise FeynTuneError(
            "config: $.layer_sets.full: runs with training.method full have this name in tables; rename the layer set"
        )
    for place, overrides in _places(configuration):
        if overrides.lora and overrides.training and overrides.training.method == FULL:
            raise FeynTuneError(f"config: {place}.lora: training.method full trains no adapter; remove 'lora'")
    trained = [run for run in runs.values() if run.kind == "trained"]
    if all(run.is_full for run in trained):
        for key, given in (
            ("lora", "lora" in configuration.model_fields_set),
            ("grid.layer_sets", _has_sets(configuration)),
        ):
            if given:
                raise FeynTuneError(f"config: $.{key}: training.method full trains no adapter; remove it")


def _has_sets(configuration: Configuration) -> bool:
    return bool(configuration.grid.layer_sets and configuration.grid.models and configuration.grid.datasets)


def _names_method(overrides: Overrides) -> bool:
    return bool(overrides.training and "method" in overrides.training.model_fields_set)


def _places(configuration: Configuration) -> Iterator[tuple[str, Overrides]]:
    yield from ((f"$.models.{name}", entry) for name, entry in configuration.models.items())
    yield from ((f"$.runs.{name}", entry) for name, entry in configuration.runs.items())


def check_full_runs(configuration: Configuration, runs: Iterable[Run]) -> None:
    """Refuse settings of single runs that do not combine with ``training.method: full``.

    Raises:
        FeynTuneError: there is one.
    """
    for run in runs:
        if run.is_full and run.variation.overrides and run.variation.overrides.lora:
            raise FeynTuneError(f"config: {PLACE}: {run.name} has training.method full; remove its overrides of lora")
        quantization = section_of(configuration, run, "quantization", Quantization)
        check_full(run.name, quantization, section_of(configuration, run, "training", Training))


def check_full(run: str, quantization: Quantization, training: Training) -> None:
    """Refuse settings of a run (a name) that do not combine with ``training.method: full``.

    Raises:
        FeynTuneError: there is one.
    """
    if training.method != FULL:
        return
    if quantization.method != "none":
        raise FeynTuneError(
            f"config: {run}: training.method full changes base weights, which {quantization.method} does not allow;"
            " set quantization.method to none"
        )
    if training.keep != "last":
        raise FeynTuneError(
            f"config: {run}: training.method full keeps no copies of earlier steps; set training.keep to last"
        )
    if training.optimizer.lora_plus_ratio is not None:
        raise FeynTuneError(
            f"config: {run}: training.method full has no B matrices; set training.optimizer.lora_plus_ratio to null"
        )
