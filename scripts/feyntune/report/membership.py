"""How well Min-K%++ separates texts that a model may have been trained on from texts that it cannot have seen."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from feyntune.report.results import MEMBERSHIP, Results
from feyntune.report.typeset import MISSING, interval

if TYPE_CHECKING:
    import numpy
    import pandas

QUANTITY = MEMBERSHIP.name
COLUMNS = ("known", "unseen", "run", "dataset", "known_texts", "unseen_texts", "auc", "low", "high")


class Area(NamedTuple):
    """An area under the ROC curve with its interval; NaN where there is none."""

    auc: float
    low: float
    high: float


def area_under_curve(known: numpy.ndarray, unseen: numpy.ndarray, confidence: float) -> Area:
    """The probability that a known text scores higher than an unseen one, ties counting one half.

    The variance is that of DeLong, DeLong and Clarke-Pearson (Biometrics 44, 1988, 837), computed from ranks (Sun and
    Xu, IEEE Signal Processing Letters 21, 2014, 1389). The interval is on the scale of the logit, so that it stays
    within 0 and 1; a perfect separation and sets of fewer than two texts have none.

    Args:
        known: scores of texts that the model may have been trained on.
        unseen: scores of texts that it cannot have been trained on.
        confidence: coverage of the interval.
    """
    import numpy
    from scipy.special import expit, logit
    from scipy.stats import norm, rankdata

    m, n = len(known), len(unseen)
    if not m or not n:
        return Area(math.nan, math.nan, math.nan)
    ranks = rankdata(numpy.concatenate([known, unseen]))
    auc = float((ranks[:m].sum() - m * (m + 1) / 2) / (m * n))
    if min(m, n) < 2 or not 0 < auc < 1:
        return Area(auc, math.nan, math.nan)
    of_known = (ranks[:m] - rankdata(known)) / n
    of_unseen = 1 - (ranks[m:] - rankdata(unseen)) / m
    error = math.sqrt(of_known.var(ddof=1) / m + of_unseen.var(ddof=1) / n)
    half = norm.ppf((1 + confidence) / 2) * error / (auc * (1 - auc))
    return Area(auc, float(expit(logit(auc) - half)), float(expit(logit(auc) + half)))


def membership(results: Results, pairs: Sequence[tuple[str, str]], confidence: float) -> pandas.DataFrame:
    """A row for each pair of sets and each run that has scores on both, with the columns ``COLUMNS``.

    Args:
        results: what all runs achieved.
        pairs: names of evaluation sets, the first of known and the second of unseen texts.
        confidence: coverage of the intervals.
    """
    import pandas

    labels = results.runs.drop_duplicates("run").set_index("run")["dataset"]
    rows = []
    for known, unseen in pairs:
        for run in labels.index:
            one, other = (_scores(results, name, run) for name in (known, unseen))
            if len(one) and len(other):
                area = area_under_curve(one, other, confidence)
                rows.append((known, unseen, run, labels[run], len(one), len(other), *area))
    return pandas.DataFrame(rows, columns=list(COLUMNS))


def _scores(results: Results, name: str, run: str) -> numpy.ndarray:
    import numpy

    values = results.values.get(name)
    if values is None or (QUANTITY, run) not in values:
        return numpy.empty(0)
    return values[QUANTITY, run].dropna().to_numpy(dtype=float)


def membership_layout(table: pandas.DataFrame) -> pandas.DataFrame:
    """The same for people."""
    import pandas

    bounds = zip(table["auc"], table["low"], table["high"], strict=True)
    return pandas.DataFrame(
        {
            "Set": [f"{row.known} against {row.unseen}" for row in table.itertuples()],
            "Run": table["run"],
            "Trained on": table["dataset"].fillna(MISSING),
            "Texts": [f"{row.known_texts:,} + {row.unseen_texts:,}" for row in table.itertuples()],
            "AUC": [interval(*each, 3) for each in bounds],
        }
    )
