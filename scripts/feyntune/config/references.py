"""What datasets of the configuration refer to: snapshots, and each other."""

from feyntune.config.load import did_you_mean
from feyntune.core.errors import FeynTuneError


def check_references(datasets, snapshots):
    """Check that every name in the datasets' settings is there, and that no mixture is made of itself.

    Args:
        datasets: ``settings.data.Dataset`` by name.
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


def _mentions(dataset):
    """Every dataset that a mixture mentions, with the place behind ``mix``."""
    for number, part in enumerate(dataset.mix or []):
        yield f".{number}.dataset", part.dataset
        for key in ("of", "among", "total"):
            yield from ((f".{number}.{key}", other) for other in getattr(part, key) or [])


def _refuse_cycle(datasets, name, path):
    for other in mentioned(datasets[name]):
        if other == path[0]:
            raise FeynTuneError(f"config: $.datasets.{path[0]}.mix: made of itself: {' <- '.join([*path, other])}")
        if other not in path:
            _refuse_cycle(datasets, other, [*path, other])


def mentioned(dataset):
    """Names of the datasets whose rows or sizes a mixture uses, each once, in order of mention."""
    return list(dict.fromkeys(other for _, other in _mentions(dataset)))


def ingredients(datasets, name):
    """Names of the datasets that a dataset is made of, at any depth; none for one that is no mixture."""
    parts = [part.dataset for part in datasets[name].mix or []]
    deeper = [found for part in parts for found in ingredients(datasets, part)]
    return sorted({*parts, *deeper})


def snapshot_under(datasets, name):
    """Name of the first snapshot that a dataset is made from, or None."""
    names = [name, *ingredients(datasets, name)]
    return next((datasets[each].snapshot for each in names if datasets[each].snapshot), None)


def held_out(datasets, name, evaluation_sets):
    """The splits that a mixture may not train on, as sorted pairs of dataset and split.

    These are test and validation of all that it is made of, and what its runs are judged on. Mixtures are replaced by
    what they are made of, which has all their papers in the same splits: so no two mixtures wait for each other.

    Args:
        datasets: ``settings.data.Dataset`` by name.
        name: the mixture.
        evaluation_sets: objects with ``dataset`` and ``split``. Those of split ``train`` are not held out, because
            they evaluate on training data on purpose; nor those of split ``all``, see ``evaluation_sets.leak_sources``.
    """
    pairs = {(source, split) for source in sources(datasets, name) for split in ("test", "validation")}
    judged = [each for each in evaluation_sets if each.split in ("test", "validation")]
    pairs |= {(source, each.split) for each in judged for source in sources(datasets, each.dataset)}
    return sorted(pairs)


def sources(datasets, name):
    """The datasets that are no mixtures of which a dataset is made: itself, if it is none."""
    return [each for each in (name, *ingredients(datasets, name)) if not datasets[each].mix]
