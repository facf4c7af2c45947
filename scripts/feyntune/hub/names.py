"""Names on the hub, and the settings of the stages that publish."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from feyntune.config.references import mentioned
from feyntune.config.runs import reported_metrics
from feyntune.config.schema.hub import CardStage, PushStage, ReferenceStage
from feyntune.core.errors import FeynTuneError

if TYPE_CHECKING:
    from feyntune.config.load import Configuration
    from feyntune.config.runs import Run
    from feyntune.hub.fetch import Kind


def adapter_repository(configuration: Configuration, run: Run) -> str:
    """Repository of a run's adapter.

    Raises:
        FeynTuneError: the configuration names no organisation.
    """
    return _named(configuration, configuration.hub.adapters, run=run.name)


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
        raise FeynTuneError("config: $.hub.organisation: name the user or organisation on the hub to push to")
    return template.format_map({"organisation": organisation, **values})


def reference_names(configuration: Configuration, runs: Iterable[Run]) -> dict[str, str]:
    """Names of models in reference tables by run: as in the reference, the last part of the repository's name.

    Raises:
        FeynTuneError: two runs have the same name.
    """
    names = {run.name: _reference_name(configuration, run) for run in runs}
    for name, other in ((name, other) for name in names for other in names if name < other):
        if names[name] == names[other]:
            raise FeynTuneError(
                f"config: $.hub: {name} and {other} have the same name {names[name]!r} in reference tables"
            )
    return names


def _reference_name(configuration: Configuration, run: Run) -> str:
    if run.kind == "trained":
        return configuration.hub.adapters.format_map({"organisation": "", "run": run.name}).split("/")[-1]
    model = configuration.models[run.model] if run.kind == "base" else None
    source = run.adapter or model
    return source.hub.split("/")[-1] if source and source.hub else run.name


def card_stage(configuration: Configuration, run: Run) -> CardStage:
    """The settings of the card of a trained run."""
    model = configuration.models[run.model]
    return CardStage(
        run=run.name,
        repository=adapter_repository(configuration, run),
        model=run.model,
        base=model.hub or model.path,
        revision=model.revision,
        licence=model.licence,
        dataset=run.dataset,
        datasets=_definitions(configuration, run.dataset),
        layers=run.layers,
        metrics=reported_metrics(configuration),
        confidence=configuration.report.uncertainty.confidence,
    )


def _definitions(configuration: Configuration, name: str) -> dict[str, dict[str, Any]]:
    """Definitions of a dataset and of those that it is mixed from, by name; without paths of this machine."""
    dataset = configuration.datasets[name]
    below = {key: value for other in mentioned(dataset) for key, value in _definitions(configuration, other).items()}
    definition = dataset.model_dump(mode="json", exclude_defaults=True)
    if dataset.files:
        definition["files"] = {split: PurePath(path).name for split, path in definition["files"].items()}
    return {name: definition, **below}


def reference_stage(
    configuration: Configuration, runs: Iterable[Run], kind: str, evaluation_set: str
) -> ReferenceStage:
    """The settings of a reference table; ``runs`` are those that it contains."""
    entry = configuration.evaluation_sets[evaluation_set]
    return ReferenceStage(
        kind=kind,
        set=evaluation_set,
        dataset=entry.dataset,
        split=entry.split,
        limit=entry.limit,
        models=reference_names(configuration, runs),
        repository=table_repository(configuration, kind, evaluation_set),
        metric=next((metric for metric in reported_metrics(configuration) if metric.name == kind), None),
    )


def push_stage(configuration: Configuration, kind: Kind, repository: str) -> PushStage:
    """The settings of a push."""
    return PushStage(repository=repository, kind=kind, private=configuration.hub.private)
