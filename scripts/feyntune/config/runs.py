"""Runs: what the grid and the named entries of a configuration mean, and which settings each stage of each uses."""

from dataclasses import dataclass, field

from feyntune.config.evaluation_sets import check_evaluation_sets
from feyntune.config.load import did_you_mean, parse_section
from feyntune.config.references import check_references
from feyntune.config.schema.generation import CompletionStage, Generation, ImportStage
from feyntune.config.schema.metrics import SemscoreStage, TruthStage
from feyntune.config.schema.models import Lora, Precision, Quantization, Source
from feyntune.config.schema.perplexity import Perplexity, PerplexityStage
from feyntune.config.schema.report import FiguresStage, PageStage, TablesStage
from feyntune.config.schema.training import Training, TrainingStage
from feyntune.core.errors import FeynTuneError

RESULTS = frozenset(
    "adapters benchmarks checkpoints completions costs datasets demo embeddings evaluation_sets figures hub imports"
    " logs models perplexity metrics shards similarity snapshots tables training_sets truth wandb".split()
)
"""Folders under ``results/`` that hold something else than a metric's scores."""


@dataclass(frozen=True)
class Run:
    """One row of every table: a model, with an adapter for a dataset and a layer set as far as it has one."""

    name: str
    kind: str
    """``base``, ``trained``, ``published`` (a finished adapter) or ``imported`` (completions only)."""
    model: str | None
    dataset: str | None
    layers: str | None
    adapter: Source | None = None
    imports: dict = field(default_factory=dict)
    """Results from elsewhere: ``settings.runs.Imported`` by ``completions``, ``perplexity``, or a metric's name."""

    @property
    def has_adapter(self):
        """Whether an adapter stands on the base model."""
        return self.kind in ("trained", "published")


def resolve_runs(configuration):
    """All runs of a configuration by name, base models first, then the grid, then named runs.

    Raises:
        FeynTuneError: a name that no registry has, or one name for two runs.
    """
    _check_registries(configuration)
    runs = {}
    for run in [*_base_runs(configuration), *_grid_runs(configuration), *_named_runs(configuration)]:
        if run.name in runs:
            raise FeynTuneError(f"config: two runs are called {run.name!r}; give one of them its own name under 'runs'")
        runs[run.name] = run
    check_evaluation_sets(configuration, runs.values())
    return runs


def _base_runs(configuration):
    models = configuration.grid.models if configuration.grid.base else []
    return [Run(f"{model}_base", "base", model, None, "base") for model in models]


def _grid_runs(configuration):
    grid = configuration.grid
    return [
        Run(f"{model}_{dataset}_{layers}", "trained", model, dataset, layers)
        for model in grid.models
        for dataset in grid.datasets
        for layers in grid.layer_sets
    ]


def _named_runs(configuration):
    return [
        Run(name, _kind(entry), entry.model, entry.dataset, entry.layers, entry.adapter, _imports(entry))
        for name, entry in configuration.runs.items()
    ]


def _imports(entry):
    named = {"completions": entry.completions, "perplexity": entry.perplexity, **entry.metrics}
    return {kind: source for kind, source in named.items() if source}


def _kind(entry):
    if entry.completions:
        return "imported"
    return "published" if entry.adapter else "trained"


def _check_registries(configuration):
    check_references(configuration.datasets, configuration.snapshots)
    for name in RESULTS.intersection(configuration.metrics):
        raise FeynTuneError(f"config: $.metrics.{name}: results/{name}/ holds other results; give it another name")
    for place, registry, name in _references(configuration):
        known = getattr(configuration, registry)
        if name is not None and name not in known:
            raise FeynTuneError(f"config: {place}: no {name!r} in '{registry}'{did_you_mean(name, known)}")


def _references(configuration):
    """Every name that points into a registry: the place it stands at, the registry, the name."""
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


def import_stage(configuration, run, evaluation_set, kind):
    """What is taken of a table from elsewhere for an evaluation set (a name); ``kind`` as in ``Run.imports``."""
    entry = configuration.evaluation_sets[evaluation_set]
    return ImportStage(limit=entry.limit, split=entry.hub_split, model=run.imports[kind].model)


def training_stage(configuration, run):
    """What decides the adapter of a trained run."""
    return TrainingStage(
        run=run.name,
        seed=configuration.seed,
        lora=_section(configuration, run, "lora", Lora),
        target_modules=sorted(configuration.layer_sets[run.layers]),
        quantization=_section(configuration, run, "quantization", Quantization),
        precision=_section(configuration, run, "precision", Precision),
        training=_section(configuration, run, "training", Training),
    )


def completion_stage(configuration, run, evaluation_set):
    """What decides a run's completions of an evaluation set (a name), besides its adapter."""
    return CompletionStage(
        run=run.name,
        seed=configuration.seed,
        limit=configuration.evaluation_sets[evaluation_set].limit,
        generation=_section(configuration, run, "generation", Generation),
        **_evaluated_model(configuration, run),
    )


def perplexity_stage(configuration, run, evaluation_set):
    """What decides a run's perplexities and embeddings of an evaluation set (a name), besides its adapter."""
    return PerplexityStage(
        run=run.name,
        limit=configuration.evaluation_sets[evaluation_set].limit,
        perplexity=_section(configuration, run, "perplexity", Perplexity),
        **_evaluated_model(configuration, run),
    )


def gpus(configuration, run):
    """How many GPUs train a run together."""
    asked = [overrides.gpus for _, overrides in _overrides(configuration, run) if overrides.gpus]
    return asked[-1] if asked else configuration.resources.train.gpu


def base_names(configuration, model):
    """Names by which an adapter may know a base model: its own first."""
    entry = configuration.models[model]
    return [entry.hub or entry.path, *entry.also_known_as]


def _evaluated_model(configuration, run):
    """Storage and number formats for evaluation: as trained, unless ``evaluation`` says otherwise."""
    evaluation = configuration.evaluation
    return {
        "quantization": evaluation.quantization or _section(configuration, run, "quantization", Quantization),
        "precision": evaluation.precision or _section(configuration, run, "precision", Precision),
        "base_names": base_names(configuration, run.model),
    }


def _section(configuration, run, name, section):
    """A section as it holds for a run: the configuration's, under the model's overrides, under the run's own."""
    values = getattr(configuration, name)
    for place, overrides in _overrides(configuration, run):
        changes = getattr(overrides, name)
        if changes:
            values = parse_section(section, _laid_over(values.model_dump(), changes), f"{place}.{name}")
    return values


def _overrides(configuration, run):
    """The places where settings of a run may be overridden, and what stands there; the later ones win."""
    places = [("models", run.model), ("runs", run.name)]
    registries = [(f"$.{registry}.{name}", getattr(configuration, registry).get(name)) for registry, name in places]
    return [(place, overrides) for place, overrides in registries if overrides is not None]


def _laid_over(values, changes):
    """Nested dicts, ``changes`` over ``values``; what gets another ``name`` loses the arguments of the old one."""
    if "arguments" in values and changes.get("name", values["name"]) != values["name"]:
        values = {**values, "arguments": {}}
    nested = {
        key: _laid_over(values[key], change)
        for key, change in changes.items()
        if isinstance(change, dict) and isinstance(values.get(key), dict)
    }
    return {**values, **changes, **nested}


def truth_stage(configuration, metric, evaluation_set):
    """What decides a metric's embeddings of the true abstracts of an evaluation set (names)."""
    return TruthStage(
        metric=configuration.metrics[metric],
        limit=configuration.evaluation_sets[evaluation_set].limit,
    )


def semscore_stage(configuration, metric):
    """What decides a metric's (a name) scores of completions."""
    return SemscoreStage(metric=configuration.metrics[metric])


def tables_stage(configuration):
    """What decides the tables."""
    report = configuration.report
    return TablesStage(seed=configuration.seed, uncertainty=report.uncertainty, compared_layers=report.compared_layers)


def cards(configuration, runs):
    """GPUs that jobs hold: by stage, and by ``train/RUN`` for the runs that are trained on another number.

    Args:
        runs: from ``resolve_runs``.
    """
    asked = configuration.resources
    of_stages = {"train": asked.train.gpu, "complete": asked.complete.gpu, "perplexity": asked.perplexity.gpu}
    of_stages |= dict.fromkeys(("embed_truth", "semscore"), asked.metrics.gpu)
    of_runs = {f"train/{run.name}": gpus(configuration, run) for run in runs.values() if run.kind == "trained"}
    others = {job: number for job, number in of_runs.items() if number != asked.train.gpu}
    return {stage: number for stage, number in of_stages.items() if number} | others


def figures_stage(configuration, runs):
    """What decides the figures."""
    rows = configuration.report.heatmap_rows
    return FiguresStage(seed=configuration.seed, heatmap_rows=rows, gpus=cards(configuration, runs))


def page_stage(configuration, runs):
    """What decides the report."""
    abstracts = configuration.report.abstracts
    return PageStage(seed=configuration.seed, abstracts=abstracts, gpus=cards(configuration, runs))
