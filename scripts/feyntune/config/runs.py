"""Runs: what the grid and the named entries of a configuration mean, and the settings of each stage of a run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from feyntune.config.evaluation_sets import check_evaluation_sets
from feyntune.config.load import Configuration, did_you_mean, parse_section
from feyntune.config.methods import FULL, check_full, check_methods, layer_sets_of, layers_of
from feyntune.config.references import check_references
from feyntune.config.schema.evaluated import DequantizeStage
from feyntune.config.schema.generation import CompletionStage, Generation
from feyntune.config.schema.imports import ImportStage
from feyntune.config.schema.metrics import MetricStage, PreparationStage
from feyntune.config.schema.models import Lora, Precision, Quantization
from feyntune.config.schema.perplexity import Perplexity, PerplexityStage
from feyntune.config.schema.report import ExploreStage, FiguresStage, PageStage, TablesStage
from feyntune.config.schema.runs import Imported, NamedRun, Overrides
from feyntune.config.schema.training import Training, TrainingStage
from feyntune.config.weights import Weights, evaluated_weights
from feyntune.core.errors import FeynTuneError
from feyntune.core.schema import Section, Source, lay_over
from feyntune.evaluation.metrics import ReportedMetric, check_keys, reported, reported_all
from feyntune.evaluation.metrics.base import MetricSettings

AnySection = TypeVar("AnySection", bound=Section)
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
    for run in runs.values():
        if run.is_full:
            check_full(training_stage(configuration, run))
    return runs


def _base_runs(configuration: Configuration) -> list[Run]:
    models = configuration.grid.models if configuration.grid.base else []
    return [Run(f"{model}_base", "base", model, None, "base") for model in models]


def _grid_runs(configuration: Configuration) -> list[Run]:
    grid = configuration.grid
    return [
        Run(f"{model}_{dataset}_{layers}", "trained", model, dataset, layers)
        for model in grid.models
        for dataset in grid.datasets
        for layers in layer_sets_of(configuration, model)
    ]


def _named_runs(configuration: Configuration) -> list[Run]:
    return [
        Run(name, _kind(entry), entry.model, entry.dataset, layers, entry.adapter, _imports(entry))
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
    for name, evaluation_set in configuration.evaluation_sets.items():
        yield f"$.evaluation_sets.{name}.dataset", "datasets", evaluation_set.dataset
    for pair in configuration.report.membership:
        yield from (("$.report.membership", "evaluation_sets", name) for name in pair)
    if "compared_layers" in configuration.report.model_fields_set:
        for pair in configuration.report.compared_layers:
            yield from (("$.report.compared_layers", "layer_sets", name) for name in pair if name != FULL)


def import_stage(configuration: Configuration, run: Run, evaluation_set: str, kind: str) -> ImportStage:
    """What is imported for an evaluation set (a name); ``kind`` as in ``Run.imports``."""
    entry = configuration.evaluation_sets[evaluation_set]
    metric = configuration.metrics.get(kind)
    return ImportStage(
        limit=entry.limit,
        split=entry.hub_split,
        model=run.imports[kind].model,
        metric=reported(kind, metric) if metric else None,
    )


def training_stage(configuration: Configuration, run: Run) -> TrainingStage:
    """Settings that determine the weights of a trained run."""
    assert run.layers is not None, "a trained run has layers"
    return TrainingStage(
        run=run.name,
        seed=configuration.seed,
        lora=Lora() if run.is_full else _section(configuration, run, "lora", Lora),
        target_modules=[] if run.is_full else sorted(configuration.layer_sets[run.layers]),
        quantization=_section(configuration, run, "quantization", Quantization),
        precision=_section(configuration, run, "precision", Precision),
        training=_section(configuration, run, "training", Training),
    )


def completion_stage(configuration: Configuration, run: Run, evaluation_set: str) -> CompletionStage:
    """Settings that determine a run's completions of an evaluation set (a name), besides its adapter."""
    evaluated = _evaluated_model(configuration, run)
    generation = _section(configuration, run, "generation", Generation)
    return CompletionStage(
        run=run.name,
        seed=configuration.seed,
        limit=configuration.evaluation_sets[evaluation_set].limit,
        generation=generation,
        weights=_weights(
            configuration, run, evaluated.quantization, configuration.resources.complete.gpu, generation.engine
        ),
        quantization=evaluated.quantization,
        precision=evaluated.precision,
        base_names=evaluated.base_names,
    )


def _weights(
    configuration: Configuration, run: Run, quantization: Quantization, gpu: int, engine: str | None
) -> Weights:
    """The weights of an evaluation; fully trained ones are quantised when they are loaded, if at all."""
    if not run.is_full:
        return evaluated_weights(configuration.evaluation.weights, quantization, gpu, engine)
    if engine == "vllm" and quantization.method != "none":
        raise FeynTuneError(
            f"config: {run.name}: vLLM does not quantise fully trained weights;"
            " set evaluation.quantization.method to none, or generation.engine to transformers"
        )
    return "quantised"


def merge_stage(configuration: Configuration, run: Run) -> DequantizeStage:
    """Settings of the merging of a run's adapter.

    Raises:
        FeynTuneError: the run has no adapter, or the evaluated weights are int8, which cannot be dequantised.
    """
    if run.is_full:
        raise FeynTuneError(
            f"config: {run.name} has no adapter to merge: results/full/{run.name} is its whole model already"
        )
    evaluated = completion_stage(configuration, run, next(iter(configuration.evaluation_sets)))
    original = configuration.hub.merged_weights == "original"
    if evaluated.quantization.method == "int8" and not original:
        raise FeynTuneError(
            f"config: $.hub.merged_weights: int8 weights of {run.name} cannot be dequantised; set it to original"
        )
    return DequantizeStage(
        quantization=Quantization(method="none") if original else evaluated.quantization,
        precision=evaluated.precision,
        base_names=evaluated.base_names,
    )


def perplexity_stage(configuration: Configuration, run: Run, evaluation_set: str) -> PerplexityStage:
    """Settings that determine a run's perplexities and embeddings of an evaluation set (a name)."""
    evaluated, entry = _evaluated_model(configuration, run), configuration.evaluation_sets[evaluation_set]
    perplexity = _section(configuration, run, "perplexity", Perplexity)
    return PerplexityStage(
        run=run.name,
        limit=entry.limit,
        perplexity=perplexity.model_copy(update={"column": "abstract"}) if entry.text else perplexity,
        weights=_weights(configuration, run, evaluated.quantization, configuration.resources.perplexity.gpu, None),
        quantization=evaluated.quantization,
        precision=evaluated.precision,
        base_names=evaluated.base_names,
    )


def gpus(configuration: Configuration, run: Run) -> int:
    """How many GPUs train a run together."""
    asked = [overrides.gpus for _, overrides in _overrides(configuration, run) if overrides.gpus]
    return asked[-1] if asked else configuration.resources.train.gpu


def base_names(configuration: Configuration, model: str) -> list[str]:
    """Names that adapters may have for a base model; its own name is the first."""
    entry = configuration.models[model]
    return [str(entry.hub or entry.path), *entry.also_known_as]


@dataclass(frozen=True)
class _Evaluated:
    """Base model, storage and number formats of a run that is evaluated."""

    quantization: Quantization
    precision: Precision
    base_names: list[str]


def _evaluated_model(configuration: Configuration, run: Run) -> _Evaluated:
    """How a run's model is evaluated: as trained, except for the keys that ``evaluation`` gives."""
    evaluation = configuration.evaluation
    trained = (
        _section(configuration, run, "quantization", Quantization),
        _section(configuration, run, "precision", Precision),
    )
    return _Evaluated(
        _changed(trained[0], evaluation.quantization, "$.evaluation.quantization"),
        _changed(trained[1], evaluation.precision, "$.evaluation.precision"),
        base_names(configuration, str(run.model)),
    )


def _section(configuration: Configuration, run: Run, name: str, section: type[AnySection]) -> AnySection:
    """A section for a run: the configuration's, under the model's overrides, under the run's own."""
    values: AnySection = getattr(configuration, name)
    assert isinstance(values, section)
    for place, overrides in _overrides(configuration, run):
        values = _changed(values, getattr(overrides, name), f"{place}.{name}")
    return values


def _changed(values: AnySection, changes: AnySection | None, place: str) -> AnySection:
    """A section with the keys that were given in ``changes``, at ``place`` in the configuration."""
    if changes is None:
        return values
    return parse_section(type(values), lay_over(values.model_dump(), changes.model_dump(exclude_unset=True)), place)


def _overrides(configuration: Configuration, run: Run) -> list[tuple[str, Overrides]]:
    """The places that may override settings of a run, and their content; the later ones win."""
    model, own = configuration.models.get(str(run.model)), configuration.runs.get(run.name)
    places = [(f"$.models.{run.model}", model), (f"$.runs.{run.name}", own)]
    return [(place, overrides) for place, overrides in places if overrides is not None]


def preparation_stage(configuration: Configuration, metric: str, evaluation_set: str) -> PreparationStage:
    """Settings that determine a metric's preparation for an evaluation set (names)."""
    limit = configuration.evaluation_sets[evaluation_set].limit
    return PreparationStage(metric=_untitled(configuration, metric), limit=limit)


def metric_stage(configuration: Configuration, metric: str) -> MetricStage:
    """Settings that determine the values of a metric (a name)."""
    return MetricStage(metric=_untitled(configuration, metric))


def _untitled(configuration: Configuration, metric: str) -> MetricSettings:
    """A metric's settings without its title, which changes no result."""
    return configuration.metrics[metric].model_copy(update={"title": None})


def reported_metrics(configuration: Configuration) -> list[ReportedMetric]:
    """The metrics as tables, figures, the report and model cards show them, in the configuration's order."""
    return reported_all(configuration.metrics)


def unlike_base(configuration: Configuration, runs: Mapping[str, Run]) -> list[str]:
    """Names of runs that are evaluated with another quantisation or precision than the base run of their model.

    Args:
        configuration: the configuration.
        runs: from ``resolve_runs``.
    """
    bases = {run.model: run for run in runs.values() if run.kind == "base"}
    evaluated = {run.name: _evaluated_model(configuration, run) for run in runs.values() if run.kind != "imported"}
    return [name for name, own in evaluated.items() if own != evaluated[bases.get(runs[name].model, runs[name]).name]]


def tables_stage(configuration: Configuration, runs: Mapping[str, Run]) -> TablesStage:
    """Settings that determine the tables."""
    report = configuration.report
    return TablesStage(
        seed=configuration.seed,
        uncertainty=report.uncertainty,
        compared_layers=report.compared_layers,
        membership=report.membership,
        unlike_base=unlike_base(configuration, runs),
        metrics=reported_metrics(configuration),
    )


def gpus_of_jobs(configuration: Configuration, runs: Mapping[str, Run]) -> dict[str, int]:
    """GPUs per job: by stage, and by ``train/RUN`` for runs that are trained on another number.

    Args:
        runs: from ``resolve_runs``.
    """
    asked = configuration.resources
    of_stages = {"train": asked.train.gpu, "complete": asked.complete.gpu, "perplexity": asked.perplexity.gpu}
    of_stages |= dict.fromkeys(("prepare_metric", "metric"), asked.metrics.gpu)
    of_runs = {run.training_job: gpus(configuration, run) for run in runs.values() if run.kind == "trained"}
    if any(run.is_full for run in runs.values()):
        of_stages["train_full"] = asked.train.gpu
    others = {job: number for job, number in of_runs.items() if number != asked.train.gpu}
    return {stage: number for stage, number in of_stages.items() if number} | others


def figures_stage(configuration: Configuration, runs: Mapping[str, Run]) -> FiguresStage:
    """Settings that determine the figures."""
    return FiguresStage(
        seed=configuration.seed,
        heatmap_rows=configuration.report.heatmap_rows,
        gpus=gpus_of_jobs(configuration, runs),
        metrics=reported_metrics(configuration),
    )


def explore_stage(configuration: Configuration) -> ExploreStage:
    """Settings that determine the page of all completions."""
    return ExploreStage(metrics=reported_metrics(configuration))


def page_stage(configuration: Configuration, runs: Mapping[str, Run]) -> PageStage:
    """Settings that determine the report."""
    return PageStage(
        seed=configuration.seed,
        abstracts=configuration.report.abstracts,
        unlike_base=unlike_base(configuration, runs),
        gpus=gpus_of_jobs(configuration, runs),
        metrics=reported_metrics(configuration),
    )
