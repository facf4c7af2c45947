"""Evaluation sets without the abstracts that models were trained on, and training splits without evaluation sets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow

from feyntune.config.schema.evaluation import DatesStage, EvaluationSetStage, HoldOutStage
from feyntune.core.errors import FeynTuneError
from feyntune.core.files import read_table
from feyntune.data.leakage import EXAMPLES, refuse_empty, without_leaks
from feyntune.data.papers import Rows, first_days
from feyntune.data.schema import TEXTS
from feyntune.data.selection import is_within


class Filtered(NamedTuple):
    """The abstracts that are left, and a JSON-able summary of the others."""

    papers: pyarrow.Table
    summary: dict[str, Any]


def select_dates(split: Path, stage: DatesStage) -> pyarrow.Table:
    """The abstracts of a split whose first version is of certain days, by ``papers.first_days``.

    Raises:
        FeynTuneError: there is none.
    """
    papers = read_table(split, texts=TEXTS)
    found = papers.filter(pyarrow.array(is_within(first_days(papers), stage.since, stage.until)))
    if not len(found):
        bounds = f"from {stage.since or 'the beginning'} until {stage.until or 'the end'}"
        raise FeynTuneError(f"{split}: no abstract {bounds}; change since and until of the evaluation set")
    return found


def make_evaluation_set(stage: EvaluationSetStage, split: Path, trained: Mapping[str, Path]) -> Filtered:
    """Take the first abstracts of a split, and exclude those that training splits contain too.

    The abstracts are the same for all runs, so that results of two runs can be compared in pairs.

    Args:
        stage: the limit, the policy, and when two abstracts are near-duplicates.
        split: parquet file of the evaluation set's split.
        trained: by name of dataset, parquet files of training splits.

    Raises:
        FeynTuneError: too few of the abstracts are left, or some are excluded and the policy is ``refuse``.
    """
    papers = read_table(split, texts=TEXTS).slice(0, stage.limit)
    every, kept = np.arange(papers.num_rows), np.ones(papers.num_rows, dtype=bool)
    counts, examples = {}, []
    for dataset, path in trained.items():
        found = without_leaks(papers.select(TEXTS), every, read_table(path, TEXTS, texts=TEXTS), stage.near_duplicates)
        kept &= np.isin(every, found.rows)
        counts[dataset] = found.counts
        examples += found.examples
    excluded = int((~kept).sum())
    summary = {
        **stage.model_dump(mode="json", include={"name", "dataset", "split", "limit", "policy"}),
        "abstracts": int(kept.sum()),
        "excluded": excluded,
        "training_datasets": counts,
        "near_duplicates": examples[:EXAMPLES],
    }
    if excluded and stage.policy == "refuse":
        raise FeynTuneError(f"{_overlap(summary)}; set leaks.policy to exclude or hold_out")
    if excluded > (1 - stage.least) * papers.num_rows:
        raise FeynTuneError(
            f"{_overlap(summary)}; use split: hash in these datasets, or leaks.policy: hold_out,"
            f" or lower the set's 'least' (now {stage.least:g})"
        )
    return Filtered(papers.filter(pyarrow.array(kept)), summary)


def _overlap(summary: Mapping[str, Any]) -> str:
    """Which training splits contain how many abstracts of an evaluation set."""
    total = summary["abstracts"] + summary["excluded"]
    sums = {dataset: sum(counts.values()) for dataset, counts in summary["training_datasets"].items()}
    named = ", ".join(f"{dataset} ({count:,})" for dataset, count in sums.items() if count)
    return f"{summary['excluded']:,} of {total:,} abstracts of {summary['name']!r} are in the training split of {named}"


def evaluation_set_message(summary: Mapping[str, Any]) -> str:
    """A one-line message about an evaluation set."""
    size = f"{summary['abstracts']:,} abstracts"
    if summary["policy"] is None:
        return f"{size} of a training split; none is excluded"
    return f"{size}; excluded: {_overlap(summary)}" if summary["excluded"] else f"{size}; none is in a training split"


def hold_out(stage: HoldOutStage, train: Path, held_out: Iterable[Path]) -> Filtered:
    """Remove from a training split the abstracts of evaluation sets.

    Args:
        stage: the dataset, and when two abstracts are near-duplicates.
        train: parquet file of the training split.
        held_out: parquet files of the evaluation sets' splits.

    Raises:
        FeynTuneError: no training paper is left.
    """
    papers = read_table(train, texts=TEXTS)
    unseen = pyarrow.concat_tables([read_table(path, TEXTS, texts=TEXTS) for path in held_out])
    every: Rows = np.arange(papers.num_rows)
    found = without_leaks(papers.select(TEXTS), every, unseen, stage.near_duplicates)
    refuse_empty(found.rows, every)
    summary = {
        "dataset": stage.dataset,
        "rows": len(found.rows),
        "dropped": found.counts,
        "near_duplicates": found.examples,
    }
    return Filtered(papers.take(found.rows), summary)
