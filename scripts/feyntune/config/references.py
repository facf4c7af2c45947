"""References of datasets: to snapshots, and of mixtures to other datasets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from feyntune.config.load import did_you_mean
from feyntune.config.schema.data import Dataset
from feyntune.config.schema.evaluation import EvaluationSet
from feyntune.core.errors import FeynTuneError


def check_references(datasets: Mapping[str, Dataset], snapshots: Mapping[str, str]) -> None:
    """Check that every name in the datasets' settings exists, and that no mixture contains itself.

    Args:
        datasets: settings of datasets by name.
        snapshots: paths of snapshots by name.

    Raises:
        FeynTuneError: with the place of the fault.
    """
    for name, dataset in datasets.items():
        place = f"config: $.datasets.{name}"
        if dataset.snapshot and dataset.snapshot not in snapshots:
            hint = did_you_mean(dataset.snapshot, snapshots)
            raise FeynTuneError(f"{place}.snapshot: no {dataset.snapshot!r} in 'snapshots'{hint}")
        for key, other in _mentions(dataset):
            if other not in datasets:
                raise FeynTuneError(f"{place}.mix{key}: no {other!r} in 'datasets'{did_you_mean(other, datasets)}")
    for name in datasets:
        _refuse_cycle(datasets, name, [name])


def _mentions(dataset: Dataset) -> Iterator[tuple[str, str]]:
    """Every dataset that a mixture mentions: its place after ``mix``, and its name."""
    for number, part in enumerate(dataset.mix or []):
        yield f".{number}.dataset", part.dataset
        for key in ("of", "among", "total"):
            yield from ((f".{number}.{key}", other) for other in getattr(part, key) or [])


def _cycle(path: Sequence[str]) -> str:
    """The datasets of a cycle for a message, the middle of a long one left out."""
    return " <- ".join([*path[:2], "…", *path[-2:]] if len(path) > 5 else path)


def _refuse_cycle(datasets: Mapping[str, Dataset], name: str, path: list[str]) -> None:
    for other in mentioned(datasets[name]):
        if other == path[0]:
            raise FeynTuneError(
                f"config: $.datasets.{path[0]}.mix: made of itself: {_cycle([*path, other])}; leave one out"
            )
        if other not in path:
            _refuse_cycle(datasets, other, [*path, other])


def mentioned(dataset: Dataset) -> list[str]:
    """Names of the datasets whose rows or sizes a mixture uses, each once, in the order of its settings."""
    return list(dict.fromkeys(other for _, other in _mentions(dataset)))


def ingredients(datasets: Mapping[str, Dataset], name: str) -> list[str]:
    """Names of the datasets that a mixture consists of, at any depth; none for other datasets."""
    parts = [part.dataset for part in datasets[name].mix or []]
    deeper = [found for part in parts for found in ingredients(datasets, part)]
    return sorted({*parts, *deeper})


def snapshot_under(datasets: Mapping[str, Dataset], name: str) -> str | None:
    """Name of the first snapshot that a dataset is made from, or None."""
    names = [name, *ingredients(datasets, name)]
    return next((datasets[each].snapshot for each in names if datasets[each].snapshot), None)


def held_out(
    datasets: Mapping[str, Dataset], name: str, evaluation_sets: Iterable[EvaluationSet]
) -> list[tuple[str, str]]:
    """The splits that a mixture may not train on, as sorted pairs of dataset and split.

    These are the test and validation splits of its datasets, and evaluation sets. Mixtures are replaced by their
    datasets, which have the same papers in the same splits, so that no two mixtures depend on each other.

    Args:
        datasets: settings of datasets by name.
        name: the mixture.
        evaluation_sets: the evaluation sets. Those of split `train` are not held out, because somebody chose them; nor
            those of split `all` and those that say `held_out: false`, which lose abstracts instead
            (`evaluation_sets.leak_sources`).
    """
    pairs = {(source, split) for source in sources(datasets, name) for split in ("test", "validation")}
    unseen = [each for each in evaluation_sets if each.held_out and each.split in ("test", "validation")]
    pairs |= {(source, each.split) for each in unseen if each.dataset for source in sources(datasets, each.dataset)}
    return sorted(pairs)


def sources(datasets: Mapping[str, Dataset], name: str) -> list[str]:
    """The datasets that are not mixtures among a dataset and those that it consists of."""
    return [each for each in (name, *ingredients(datasets, name)) if not datasets[each].mix]
