"""Runs: what the grid and the named entries of a configuration mean."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from feyntune.config.evaluation_sets import check_evaluation_sets
from feyntune.config.grid import UNVARIED, Variation, grid_points
from feyntune.config.load import Configuration, did_you_mean
from feyntune.config.methods import FULL, check_full_runs, check_methods, layer_sets_of, layers_of
from feyntune.config.references import check_references
from feyntune.config.schema.runs import Imported, NamedRun
from feyntune.core.errors import FeynTuneError
from feyntune.core.schema import Source
from feyntune.evaluation.metrics import check_keys, reported_all

LONGEST = 200
"""Characters that the name of a run may have: it is part of file names, which file systems limit to 255 bytes."""


@dataclass(frozen=True)
class Run:
    """One row of every table: a model, perhaps trained on a dataset, with an adapter for a layer set or as a whole."""

    name: str
    kind: str
    """``base``, ``trained``, ``published`` (a finished adapter) or ``imported`` (only completions)."""
    model: str | None
    dataset: str | None
    layers: str | None
    adapter: Source | None = None
    imports: Mapping[str, Imported] = field(default_factory=dict)
    """Imported results by ``completions``, ``perplexity``, or a metric's name."""
    seed: int | None = None
    """Seed of its training; None: the configuration's."""
    variation: Variation = UNVARIED
    """Settings that the grid varies."""
    sets: tuple[str, ...] | None = None
    """The evaluation sets on which it is evaluated; None: all."""

    def is_judged_on(self, evaluation_set: str) -> bool:
        """Whether the run is evaluated on a set (a name)."""
        return self.sets is None or evaluation_set in self.sets

    @property
    def is_full(self) -> bool:
        """Whether all weights are trained, and the run has a model folder of its own."""
        return self.kind == "trained" and self.layers == FULL

    @property
    def training_job(self) -> str:
        """Rule and run of the job that trains it."""
        return f"train_full/{self.name}" if self.is_full else f"train/{self.name}"

    @property
    def has_adapter(self) -> bool:
        """Whether the run is a base model with an adapter."""
        return self.is_tuned and not self.is_full

    @property
    def is_tuned(self) -> bool:
        """Whether the run's model was trained on abstracts."""
        return self.kind in ("trained", "published")


def resolve_runs(configuration: Configuration) -> dict[str, Run]:
    """All runs of a configuration by name, base models first, then the grid, then named runs.

    Raises:
        FeynTuneError: a name is not in its registry, two runs have the same name, or there is nothing to run.
    """
    _check_registries(configuration)
    if not configuration.evaluation_sets:
        raise FeynTuneError("config: $.evaluation_sets: there is none; name one, such as {unseen: {dataset: hep-th}}")
    runs: dict[str, Run] = {}
    for run in [*_base_runs(configuration), *_grid_runs(configuration), *_named_runs(configuration)]:
        if run.name in runs:
            raise FeynTuneError(f"config: two runs are called {run.name!r}; give one of them its own name under 'runs'")
        if len(run.name) > LONGEST:
            raise FeynTuneError(f"config: the run {run.name[:40]}… has a name of over {LONGEST} characters; shorten it")
        runs[run.name] = run
    if not runs:
        raise FeynTuneError("config: no runs; name models, datasets and layer sets in $.grid, or single runs in $.runs")
    check_evaluation_sets(configuration, runs.values())
    check_methods(configuration, runs)
    check_full_runs(configuration, (run for run in runs.values() if run.is_full))
    return runs


def _base_runs(configuration: Configuration) -> list[Run]:
    models = configuration.grid.models if configuration.grid.base else []
    return [Run(f"{model}_base", "base", model, None, "base") for model in models]


def _grid_runs(configuration: Configuration) -> list[Run]:
    layers = {model: layer_sets_of(configuration, model) for model in configuration.grid.models}
    return [
        Run(each.name, "trained", each.model, each.dataset, each.layers, seed=each.seed, variation=each.variation)
        for each in grid_points(configuration.grid, layers)
    ]


def _named_runs(configuration: Configuration) -> list[Run]:
    return [
        Run(
            *(name, _kind(entry), entry.model, entry.dataset, layers, entry.adapter, _imports(entry), entry.seed),
            sets=tuple(entry.sets) if entry.sets else None,
        )
        for name, entry in configuration.runs.items()
        for layers in [layers_of(configuration, name, entry)]
    ]


def _imports(entry: NamedRun) -> dict[str, Imported]:
    named = {"completions": entry.completions, "perplexity": entry.perplexity, **entry.metrics}
    return {kind: source for kind, source in named.items() if source}


def _kind(entry: NamedRun) -> str:
    if entry.completions:
        return "imported"
    return "published" if entry.adapter else "trained"


def _check_registries(configuration: Configuration) -> None:
    check_references(configuration.datasets, configuration.snapshots)
    check_keys(configuration.metrics)
    reported_all(configuration.metrics)  # refuses titles that cannot be told apart
    for place, registry, name in _references(configuration):
        known = getattr(configuration, registry)
        if name is not None and name not in known:
            raise FeynTuneError(f"config: {place}: no {name!r} in '{registry}'{did_you_mean(name, known)}")


def _references(configuration: Configuration) -> Iterator[tuple[str, str, str | None]]:
    """Every name that refers to a registry: its place, the registry, the name."""
    for registry in ("models", "datasets", "layer_sets"):
        for name in getattr(configuration.grid, registry):
            yield f"$.grid.{registry}", registry, name
    for run, entry in configuration.runs.items():
        yield f"$.runs.{run}.model", "models", entry.model
        yield f"$.runs.{run}.dataset", "datasets", entry.dataset
        yield f"$.runs.{run}.layers", "layer_sets", entry.layers
        for metric in entry.metrics:
            yield f"$.runs.{run}.metrics", "metrics", metric
        for named in entry.sets or []:
            yield f"$.runs.{run}.sets", "evaluation_sets", named
    for name, evaluation_set in configuration.evaluation_sets.items():
        yield f"$.evaluation_sets.{name}.dataset", "datasets", evaluation_set.dataset
    for pair in configuration.report.membership:
        yield from (("$.report.membership", "evaluation_sets", name) for name in pair)
    if "compared_layers" in configuration.report.model_fields_set:
        for pair in configuration.report.compared_layers:
            yield from (("$.report.compared_layers", "layer_sets", name) for name in pair if name != FULL)
