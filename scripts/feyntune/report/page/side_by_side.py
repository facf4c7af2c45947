"""A sample of abstracts: what their authors wrote, and how each run continued the same beginning."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from feyntune.core.files import read_table
from feyntune.report.results import Results
from feyntune.report.typeset import number

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True)
class Continuation:
    """What one run wrote."""

    run: str
    prediction: str
    stopped: str | None
    """``eos``, ``length``, or None if unknown."""
    numbers: list[tuple[str, str]]
    """Headline quantities of the completion: title and value."""


@dataclass(frozen=True)
class SampledAbstract:
    """One abstract and its continuations by all runs."""

    set: str
    id: str
    prompt: str
    truth: str
    runs: list[Continuation]


def sampled_abstracts(path: Path, results: Results, count: int, seed: int) -> list[SampledAbstract]:
    """At most ``count`` abstracts of each evaluation set, with the continuations by every run that has them.

    Args:
        path: pooled completions.
        results: results of the same runs.
        count: how many of each set.
        seed: seed of the sample, which is drawn among the abstracts that most runs have completed.
    """
    sampled: list[SampledAbstract] = []
    for name, values in results.values.items():
        ids = _sample(values, count, seed)
        columns = ["set", "run", "id", "prompt", "y_true", "prediction", "stopped"]
        filters = [("set", "==", name), ("id", "in", ids)]
        if ids:
            rows = read_table(path, columns, filters, texts=columns).to_pandas()
            sampled += [_abstract(rows[rows["id"] == one], results, values.loc[one]) for one in ids]
    return sampled


def _sample(values: pandas.DataFrame, count: int, seed: int) -> list[str]:
    import numpy

    if "new_tokens" not in values:  # no run completed this set
        return []
    completed = values["new_tokens"].notna().sum(axis=1)
    common = list(completed.index[completed == completed.max()])
    chosen = numpy.random.default_rng(seed).choice(len(common), min(count, len(common)), replace=False)
    return [common[place] for place in sorted(chosen)]


def _abstract(rows: pandas.DataFrame, results: Results, values: pandas.Series) -> SampledAbstract:
    first = rows.iloc[0]
    runs = [
        Continuation(row.run, row.prediction, row.stopped, _numbers(results, values, row.run))
        for row in rows.itertuples()
    ]
    return SampledAbstract(first["set"], first["id"], first["prompt"], first["y_true"], runs)


def _numbers(results: Results, values: pandas.Series, run: str) -> list[tuple[str, str]]:
    """The headline quantities that judge the completion; perplexity judges the abstract."""
    judged = [each for each in results.headlines() if each.name not in ("perplexity", "bits_per_byte")]
    return [(each.title, number(values[each.name, run], 2)) for each in judged if (each.name, run) in values]
