"""Names on the hub, and the settings of the stages that publish."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING, Any, cast

from feyntune.config.references import mentioned
from feyntune.config.reported import reported_metrics
from feyntune.config.schema.hub import CardStage, EvaluatedOn, MergedCardStage, PushStage, ReferenceStage
from feyntune.config.stages import completion_stage, merge_stage
from feyntune.core.errors import FeynTuneError

_REPOSITORY = re.compile(r"(?!.*(--|\.\.))(?!.*\.git$)\b[\w.-]+\b/\b[\w.-]+\b", re.ASCII)
"""Names that the hub allows, as its client checks them (huggingface_hub 1.x, ``validate_repo_id``)."""
LONGEST = 96

if TYPE_CHECKING:
    from feyntune.config.load import Configuration
    from feyntune.config.runs import Run
    from feyntune.hub.fetch import Kind


def adapter_repository(configuration: Configuration, run: Run) -> str:
    """Repository of a run's adapter, or of its model if all weights were trained.

    Raises:
        FeynTuneError: the configuration names no organisation.
    """
    return _named(configuration, configuration.hub.adapters, run=run.name)


def merged_repository(configuration: Configuration, run: Run) -> str:
    """Repository of a run's merged model.

    Raises:
        FeynTuneError: the configuration names no organisation.
    """
    return _named(configuration, configuration.hub.merged, run=run.name)


def table_repository(configuration: Configuration, kind: str, evaluation_set: str) -> str:
    """Repository of the reference table of ``completions``, ``perplexity`` or a metric, by its evaluation set's name.

    Raises:
        FeynTuneError: the configuration names no organisation.
    """
    table = configuration.hub.table_names.get(kind, kind)
    return _named(configuration, configuration.hub.tables, table=table, set=evaluation_set)


def _named(configuration: Configuration, template: str, **values: str) -> str:
    organisation = configuration.hub.organisation
    if "{organisation}" in template and organisation is None:
        raise FeynTuneError("config: $.hub.organisation: empty; name the user or organisation on the hub to push to")
    repository = template.format_map({"organisation": organisation, **values})
    if not _REPOSITORY.fullmatch(repository) or len(repository) > LONGEST:
        shown = repository if len(repository) < 40 else f"{repository[:39]}…"
        rule = f"use at most {LONGEST} letters, digits, single '.', '_' and '-' ($.hub or the run's name)"
        raise FeynTuneError(f"config: the hub does not allow the name {shown!r} for a repository; {rule}")
    return repository


def check_repositories(
    configuration: Configuration,
    runs: Iterable[Run],
    kinds: Iterable[str],
    evaluation_sets: Iterable[str],
    merged: bool = False,
) -> None:
    """Check that each adapter, merged model and table has a repository of its own; the hub ignores case.

    Args:
        configuration: the configuration.
        runs: the runs that are trained, here or elsewhere.
        kinds: kinds of results that have tables.
        evaluation_sets: names of the evaluation sets that have tables.
        merged: whether merged models are pushed too.

    Raises:
        FeynTuneError: two of them have the same repository.
    """
    tuned = list(runs)
    models = {run.name: adapter_repository(configuration, run) for run in tuned if run.kind == "trained"}
    if merged:
        models |= {f"merged {run.name}": merged_repository(configuration, run) for run in tuned if run.has_adapter}
    _check_distinct("adapters", models)
    pairs = list(itertools.product(kinds, evaluation_sets))
    tables = {f"{kind} of {name}": table_repository(configuration, kind, name) for kind, name in pairs}
    _check_distinct("tables", tables)


def _check_distinct(key: str, repositories: Mapping[str, str]) -> None:
    owners: dict[str, str] = {}
    for owner, repository in repositories.items():
        other = owners.setdefault(repository.casefold(), owner)
        if other != owner:
            raise FeynTuneError(
                f"config: $.hub.{key}: {other} and {owner} have the same repository {repository}; change the template"
            )


def without_folders(value: Any) -> Any:
    """A value of JSON in which every absolute path is replaced by its last part: it may name users and machines."""
    if isinstance(value, dict):
        return {key: without_folders(item) for key, item in value.items()}
    if isinstance(value, list):
        return [without_folders(item) for item in value]
    if isinstance(value, str) and _is_absolute(value):
        return PureWindowsPath(value).name or value
    return value


def _is_absolute(text: str) -> bool:
    return text.startswith("~") or PurePosixPath(text).is_absolute() or PureWindowsPath(text).is_absolute()


def reference_names(configuration: Configuration, runs: Iterable[Run]) -> dict[str, str]:
    """Names of models in reference tables by run: as in the reference, the last part of the repository's name.

    Raises:
        FeynTuneError: two runs have the same name.
    """
    names = {run.name: _reference_name(configuration, run) for run in runs}
    for name, other in ((name, other) for name in names for other in names if name < other):
        if names[name] == names[other]:
            raise FeynTuneError(
                f"config: $.hub: {name} and {other} are both {names[name]!r} in reference tables; rename one"
            )
    return names


def _reference_name(configuration: Configuration, run: Run) -> str:
    if run.kind == "trained":
        return configuration.hub.adapters.format_map({"organisation": "", "run": run.name}).split("/")[-1]
    model = configuration.models[cast("str", run.model)] if run.kind == "base" else None
    source = run.adapter or model
    return source.hub.split("/")[-1] if source and source.hub else run.name


def card_stage(configuration: Configuration, run: Run) -> CardStage:
    """The settings of the card of a trained run."""
    assert run.dataset is not None  # it is trained
    return CardStage(
        repository=adapter_repository(configuration, run), is_full=run.is_full, **_about(configuration, run)
    )


def merged_card_stage(configuration: Configuration, run: Run) -> MergedCardStage:
    """The settings of the card of a merged model."""
    merged = merge_stage(configuration, run)
    evaluated = completion_stage(configuration, run, next(iter(configuration.evaluation_sets)))
    return MergedCardStage(
        repository=merged_repository(configuration, run) if configuration.hub.organisation else None,
        adapter=run.adapter.hub if run.adapter else None,
        quantization=merged.quantization.method,
        evaluated_quantization=evaluated.quantization.method,
        dtype=merged.precision.dtype,
        **_about(configuration, run),
    )


def _about(configuration: Configuration, run: Run) -> dict[str, Any]:
    """What the cards of an adapter and of a merged model have in common."""
    model = configuration.models[str(run.model)]
    return {
        "run": run.name,
        "model": run.model,
        "base": model.hub or without_folders(model.path),
        "revision": model.revision,
        "licence": model.licence,
        "dataset": run.dataset,
        "datasets": _definitions(configuration, run.dataset) if run.dataset else {},
        "layers": run.layers,
        "metrics": reported_metrics(configuration),
        "sets": {
            name: _evaluated_on(configuration, name)
            for name, entry in configuration.evaluation_sets.items()
            if entry.is_completed and run.is_judged_on(name)
        },
        "confidence": configuration.report.uncertainty.confidence,
    }


def _evaluated_on(configuration: Configuration, name: str) -> EvaluatedOn:
    """An evaluation set and the repository of its completions; without an organisation, its name stands for that."""
    is_named = configuration.hub.organisation or "{organisation}" not in configuration.hub.tables
    repository = table_repository(configuration, "completions", name) if is_named else name
    return EvaluatedOn(repository=repository, split=configuration.evaluation_sets[name].split)


def _definitions(configuration: Configuration, name: str) -> dict[str, dict[str, Any]]:
    """Definitions of a dataset and of those that it is mixed from, by name; without paths of this machine."""
    dataset = configuration.datasets[name]
    below = {key: value for other in mentioned(dataset) for key, value in _definitions(configuration, other).items()}
    definition = dataset.model_dump(mode="json", exclude_defaults=True)
    if dataset.files:  # also relative paths: the folders of this machine mean nothing elsewhere
        definition["files"] = {split: PureWindowsPath(path).name for split, path in definition["files"].items()}
    return {name: without_folders(definition), **below}


def reference_stage(
    configuration: Configuration, runs: Iterable[Run], kind: str, evaluation_set: str
) -> ReferenceStage:
    """The settings of a reference table; ``runs`` are those that it contains."""
    entry = configuration.evaluation_sets[evaluation_set]
    return ReferenceStage(
        kind=kind,
        set=evaluation_set,
        dataset=cast("str", entry.dataset),  # plain texts are not published
        split=entry.hub_split,
        limit=entry.limit,
        models=reference_names(configuration, runs),
        repository=table_repository(configuration, kind, evaluation_set),
        metric=next((metric for metric in reported_metrics(configuration) if metric.name == kind), None),
    )


def push_stage(configuration: Configuration, kind: Kind, repository: str) -> PushStage:
    """The settings of a push."""
    return PushStage(repository=repository, kind=kind, private=configuration.hub.private)
