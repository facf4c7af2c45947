"""What things are called on the hub, and what the stages of publishing are given."""

from pathlib import PurePath

from feyntune.config.references import mentioned
from feyntune.config.schema.hub import CardStage, PushStage, WideStage
from feyntune.core.errors import FeynTuneError


def adapter_repository(configuration, run):
    """Repository of a run's adapter.

    Raises:
        FeynTuneError: the configuration names no organisation.
    """
    return _named(configuration, configuration.hub.adapters, run=run.name)


def table_repository(configuration, kind, evaluation_set):
    """Repository of the wide table of ``completions``, ``perplexity`` or a metric's scores (else as above)."""
    table = configuration.hub.table_names.get(kind, kind)
    return _named(configuration, configuration.hub.tables, table=table, set=evaluation_set)


def _named(configuration, template, **values):
    organisation = configuration.hub.organisation
    if "{organisation}" in template and organisation is None:
        raise FeynTuneError("config: $.hub.organisation: name the user or organisation on the hub to push to")
    return template.format_map({"organisation": organisation, **values})


def wide_names(configuration, runs):
    """Names of models in wide tables by run: as in the reference, the last part of the repository's name.

    Args:
        configuration: the configuration.
        runs: ``runs.Run`` objects.

    Raises:
        FeynTuneError: two runs have the same name.
    """
    names = {run.name: _wide_name(configuration, run) for run in runs}
    for name, other in ((name, other) for name in names for other in names if name < other):
        if names[name] == names[other]:
            raise FeynTuneError(f"config: $.hub: {name} and {other} would both be {names[name]!r} in wide tables")
    return names


def _wide_name(configuration, run):
    if run.kind == "trained":
        return configuration.hub.adapters.format_map({"organisation": "", "run": run.name}).split("/")[-1]
    model = configuration.models[run.model] if run.kind == "base" else None
    source = run.adapter or model
    return source.hub.split("/")[-1] if source and source.hub else run.name


def card_stage(configuration, run):
    """What decides the card of a trained run, besides its files."""
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
        metrics=list(configuration.metrics),
        confidence=configuration.report.uncertainty.confidence,
    )


def _definitions(configuration, name):
    dataset = configuration.datasets[name]
    below = {key: value for other in mentioned(dataset) for key, value in _definitions(configuration, other).items()}
    told = dataset.model_dump(mode="json", exclude_defaults=True)
    if dataset.files:  # where they lie on this machine is nobody else's business
        told["files"] = {split: PurePath(path).name for split, path in told["files"].items()}
    return {name: told, **below}


def wide_stage(configuration, runs, kind, evaluation_set):
    """What decides a wide table; ``runs`` are those that stand in it."""
    entry = configuration.evaluation_sets[evaluation_set]
    return WideStage(
        kind=kind,
        set=evaluation_set,
        dataset=entry.dataset,
        split=entry.hub_split,
        limit=entry.limit,
        models=wide_names(configuration, runs),
        repository=table_repository(configuration, kind, evaluation_set),
    )


def push_stage(configuration, kind, repository):
    """What ``push.py`` is given; ``kind`` is ``model`` or ``dataset``."""
    return PushStage(repository=repository, kind=kind, private=configuration.hub.private)
