"""Evaluation sets: which training splits may contain their abstracts, and what is done about it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from feyntune.config.references import held_out, sources
from feyntune.config.schema.evaluation import DatesStage, EvaluationSet, EvaluationSetStage, HoldOutStage, TextsStage
from feyntune.core.errors import FeynTuneError

if TYPE_CHECKING:
    from feyntune.config.load import Configuration
    from feyntune.config.runs import Run
    from feyntune.config.schema.data import Dataset


def check_evaluation_sets(configuration: Configuration, runs: Iterable[Run]) -> None:
    """Refuse sets of which none is completed, on which no run is evaluated, or that are all of a run's own dataset.

    Raises:
        FeynTuneError: as said.
    """
    runs = list(runs)
    for name in configuration.evaluation_sets:
        if not any(run.is_judged_on(name) for run in runs):
            raise FeynTuneError(
                f"config: $.evaluation_sets.{name}: no run is evaluated on it; name it in a run's 'sets', or remove it"
            )
    if not any(each.is_completed for each in configuration.evaluation_sets.values()):
        raise FeynTuneError("config: $.evaluation_sets: runs complete none of them; add a set of abstracts to complete")
    trained = {run.dataset: run.name for run in runs if run.dataset}
    for name, evaluation_set in configuration.evaluation_sets.items():
        if evaluation_set.split != "all" or evaluation_set.dataset is None:
            continue
        below = set(sources(configuration.datasets, evaluation_set.dataset))
        for dataset, run in trained.items():
            if below.intersection(sources(configuration.datasets, dataset)):
                raise FeynTuneError(
                    f"config: $.evaluation_sets.{name}.split: 'all' of {evaluation_set.dataset!r}, on which"
                    f" {run!r} is trained; choose 'test' or 'validation'"
                )


def is_free_of_leaks(configuration: Configuration, trained: str, evaluation_set: EvaluationSet) -> bool:
    """Whether the training split of a dataset contains no abstract of an evaluation set, because of how it is made.

    A training split is made without the abstracts of the other splits of its dataset; that of a mixture also without
    those of evaluation sets.

    Args:
        configuration: the datasets and evaluation sets.
        trained: name of the dataset.
        evaluation_set: the evaluation set.
    """
    datasets: Mapping[str, Dataset] = configuration.datasets
    if evaluation_set.dataset is None or evaluation_set.split not in ("test", "validation"):
        return False
    if datasets[trained].mix:
        unseen = held_out(datasets, trained, configuration.evaluation_sets.values())
        below = sources(datasets, evaluation_set.dataset)
        return all((source, evaluation_set.split) in unseen for source in below)
    return trained == evaluation_set.dataset


def leak_sources(configuration: Configuration, runs: Iterable[Run], name: str) -> list[str]:
    """Datasets whose training splits may contain abstracts of an evaluation set, sorted.

    These are datasets of the runs, whatever their number: another run of the same dataset changes nothing. Under the
    policy ``hold_out``, runs that are trained here do not see these abstracts, and only other runs count, unless the
    set says ``held_out: false``.

    Args:
        configuration: the datasets, the evaluation sets and the policy.
        runs: all runs; those that are not evaluated on this set do not count.
        name: name of the evaluation set.
    """
    evaluation_set = configuration.evaluation_sets[name]
    if evaluation_set.split == "train":
        return []
    unseen = configuration.leaks.policy == "hold_out" and evaluation_set.dataset and evaluation_set.held_out
    counted = [run for run in runs if run.is_judged_on(name) and (not unseen or run.kind != "trained")]
    trained = sorted({run.dataset for run in counted if run.dataset})
    return [dataset for dataset in trained if not is_free_of_leaks(configuration, dataset, evaluation_set)]


def evaluation_set_stage(configuration: Configuration, name: str) -> EvaluationSetStage:
    """What decides the abstracts of an evaluation set, besides its dataset and the training splits."""
    evaluation_set = configuration.evaluation_sets[name]
    leaks = configuration.leaks
    policy = "exclude" if leaks.policy == "hold_out" and not evaluation_set.held_out else leaks.policy
    return EvaluationSetStage(
        name=name,
        dataset=evaluation_set.dataset,
        split=evaluation_set.split if evaluation_set.dataset else None,
        limit=evaluation_set.limit,
        policy=None if evaluation_set.split == "train" else policy,
        near_duplicates=leaks,
        least=evaluation_set.least,
    )


def held_out_of_training(configuration: Configuration, dataset: str) -> list[tuple[str, str]]:
    """The splits, as sorted pairs of dataset and split, that ``hold_out`` removes from a training split.

    Empty under another policy, and if no evaluation set can contain abstracts of the training split. Whole splits are
    removed, so that the limit of an evaluation set can change without another training.
    """
    if configuration.leaks.policy != "hold_out":
        return []
    others = [
        each
        for each in configuration.evaluation_sets.values()
        if each.held_out and each.split != "train" and not is_free_of_leaks(configuration, dataset, each)
    ]
    return sorted({(each.dataset, split) for each in others if each.dataset for split in each.splits})


def hold_out_stage(configuration: Configuration, dataset: str) -> HoldOutStage:
    """What decides a training split from which evaluation sets are removed, besides these and the dataset."""
    return HoldOutStage(dataset=dataset, near_duplicates=configuration.leaks)


def texts_stage(configuration: Configuration, name: str) -> TextsStage:
    """What decides the passages of an evaluation set of plain texts, besides the file."""
    entry = configuration.evaluation_sets[name]
    return TextsStage(column=entry.column, words=entry.words)


def dates_stage(configuration: Configuration, name: str) -> DatesStage:
    """The days of the abstracts of an evaluation set."""
    entry = configuration.evaluation_sets[name]
    return DatesStage(since=entry.since, until=entry.until)
