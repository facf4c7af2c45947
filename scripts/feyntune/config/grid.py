"""The grid: every model with every dataset and every layer set, times varied settings, times seeds."""

from __future__ import annotations

import itertools
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from feyntune.config.load import did_you_mean, parse_section
from feyntune.config.schema.runs import Grid, Overrides
from feyntune.core.errors import FeynTuneError, shorten
from feyntune.core.schema import MEANINGS, NAME, Section

PLACE = "$.grid.vary"
MOST = 10_000
"""Trainings that a grid may have."""
SHORT = {"learning_rate": "lr", "num_train_epochs": "epochs", "batch_size": "batch", "weight_decay": "wd"}
"""Short forms of keys in names of runs; the other keys stand as they are."""
GENERAL = ("name", "method")
"""Keys that say nothing without the section that they are in."""


@dataclass(frozen=True)
class Variation:
    """One combination of varied settings."""

    label: str = ""
    """Its part of the names of runs."""
    values: Mapping[str, Any] = field(default_factory=dict)
    """By key, such as ``lora.r``."""
    overrides: Overrides | None = None


UNVARIED = Variation()


@dataclass(frozen=True)
class GridPoint:
    """One training of the grid."""

    name: str
    """Name of its run."""
    model: str
    dataset: str
    layers: str
    variation: Variation
    seed: int | None


def grid_points(grid: Grid, layers: Mapping[str, Sequence[str]]) -> list[GridPoint]:
    """All trainings that a grid declares: by model, dataset, layer set, varied settings and seed, in this order.

    Args:
        grid: the grid.
        layers: layer sets of each of its models.

    Raises:
        FeynTuneError: a varied setting does not exist or has a value that it cannot have; names are not names or not
            different; or there are too many trainings.
    """
    factors = [len(grid.datasets), *map(len, grid.vary.values()), len(grid.seeds) or 1]
    number = math.prod(factors) * sum(len(layers[model]) for model in grid.models)
    if number > MOST:
        raise FeynTuneError(f"config: $.grid: {number:,} trainings; declare at most {MOST:,}")
    varied = variations(grid)
    seeds: Sequence[int | None] = grid.seeds or [None]
    return [
        GridPoint("_".join(part for part in (*parts, variation.label, _suffix(seed)) if part), *parts, variation, seed)
        for model in grid.models
        for parts in itertools.product([model], grid.datasets, layers[model])
        for variation in varied
        for seed in seeds
    ]


def name_axes(grid: Grid) -> list[list[str]]:
    """The parts of the names of a grid's trainings: these are all products of them, joined by underscores."""
    axes = [grid.models, grid.datasets, grid.layer_sets]
    labels = [each.label for each in variations(grid)] if grid.vary else []
    return [*axes, *(axis for axis in (labels, list(map(_suffix, grid.seeds))) if axis)]


def _suffix(seed: int | None) -> str:
    return "" if seed is None else f"s{seed}"


def variations(grid: Grid) -> list[Variation]:
    """All combinations of the varied settings; one without any if nothing is varied."""
    if not grid.vary:
        if grid.vary_names:
            raise FeynTuneError("config: $.grid.vary_names: nothing is varied; give 'vary', or remove it")
        return [UNVARIED]
    axes = [[(key, each) for each in _parsed_values(key, values)] for key, values in grid.vary.items()]
    found = []
    for chosen in itertools.product(*axes):
        nested = _laid_together([_nested(key, raw) for key, (raw, _) in chosen])
        values = {key: parsed for key, (_, parsed) in chosen}
        found.append(Variation(_label(grid, values), values, parse_section(Overrides, nested, PLACE)))
    _check_labels(grid, [each.label for each in found])
    return found


def _parsed_values(key: str, values: Sequence[Any]) -> list[tuple[Any, Any]]:
    """The values of a varied key, as they were given and as the schema reads them (numbers may be given as text)."""
    found: dict[str, tuple[Any, Any]] = {}
    for raw in values:
        value: Any = parse_section(Overrides, _nested(key, raw), PLACE)
        for part in key.split("."):
            value = value[part] if isinstance(value, dict) else getattr(value, part)
        if isinstance(value, Section | dict):
            raise FeynTuneError(f"config: {PLACE}: {shorten(key)} is not one value; vary the keys that it contains")
        text = json.dumps(value)
        if text in found:
            raise FeynTuneError(f"config: {PLACE}.{key}: {shorten(raw)} occurs twice; keep one of them")
        found[text] = (raw, value)
    return list(found.values())


def _nested(key: str, value: Any) -> dict[str, Any]:
    """``{"lora": {"r": 8}}`` for ``lora.r`` and 8."""
    for part in reversed(key.split(".")):
        value = {part: value}
    return value


def _laid_together(parts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Nested dicts with the keys of all."""
    merged: dict[str, Any] = {}
    for part in parts:
        for key, value in part.items():
            both = isinstance(value, dict) and isinstance(merged.get(key), dict)
            merged[key] = _laid_together([merged[key], value]) if both else value
    return merged


def _label(grid: Grid, values: Mapping[str, Any]) -> str:
    if grid.vary_names is None:
        return "_".join(f"{_short(key, values)}{_joint(value)}{_text(value)}" for key, value in values.items())
    ends = {key: [other for other in values if other.split(".")[-1] == key] for key in _last_parts(values)}
    known = {**{end: keys[0] for end, keys in ends.items() if len(keys) == 1}, **{key: key for key in values}}
    for name in re.findall(r"\{([^{}]*)\}", grid.vary_names):
        if name not in known:
            raise FeynTuneError(
                f"config: $.grid.vary_names: no {shorten(name)} among the varied keys{did_you_mean(name, known)}"
            )
    return re.sub(r"\{([^{}]*)\}", lambda found: _text(values[known[found[1]]]), grid.vary_names)


def _last_parts(keys: Mapping[str, Any]) -> list[str]:
    return [key.split(".")[-1] for key in keys]


def _short(key: str, keys: Mapping[str, Any]) -> str:
    """A short name of a varied key; the whole key where a short one is not unique."""

    def shortened(key: str) -> str:
        *parents, last = key.split(".")
        return parents[-1] if parents and last in GENERAL else SHORT.get(last, last)

    return shortened(key) if [shortened(other) for other in keys].count(shortened(key)) == 1 else key


def _joint(value: Any) -> str:
    """What separates a key from its value: digits need nothing."""
    return "" if isinstance(value, int | float) and not isinstance(value, bool) else "-"


def _text(value: Any) -> str:
    """A value as a part of a name."""
    if isinstance(value, bool) or value is None:
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.12g}".replace("+", "")
    return "-".join(map(_text, value)) if isinstance(value, list | tuple) else str(value)


def _check_labels(grid: Grid, labels: Sequence[str]) -> None:
    for label in labels:
        if not re.match(NAME, label):
            raise FeynTuneError(f"config: {PLACE}: {shorten(label)} {MEANINGS[NAME]}; give names in $.grid.vary_names")
        if labels.count(label) > 1:
            keys = ", ".join(f"{{{key}}}" for key in grid.vary)
            raise FeynTuneError(f"config: $.grid.vary_names: {shorten(label)} names two runs; let it contain {keys}")
