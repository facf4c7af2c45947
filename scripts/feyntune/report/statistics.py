"""Uncertainty: bootstrap intervals of means and of ratios. Tests are in ``significance``."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from feyntune.config.schema.report import Uncertainty

if TYPE_CHECKING:
    import numpy
    import pandas

BATCH_CELLS = 4_000_000
"""Numbers that one batch of resamples holds."""


def mean_intervals(values: pandas.DataFrame, uncertainty: Uncertainty, seed: int) -> pandas.DataFrame:
    """Bootstrap intervals of the mean of each column, ignoring NaN.

    Args:
        values: a row for each abstract and a column for each quantity.
        uncertainty: number of resamples and coverage.
        seed: seed of the resampling.

    Returns:
        DataFrame with the columns of ``values`` as index and the columns ``n``, ``mean``, ``low`` and ``high``
        (percentile method), ``bca_low`` and ``bca_high`` (bias-corrected and accelerated; NaN for equal values).
    """
    return ratio_intervals(values, values.notna().astype(float), uncertainty, seed).rename(columns={"ratio": "mean"})


def ratio_intervals(
    numerators: pandas.DataFrame, denominators: pandas.DataFrame, uncertainty: Uncertainty, seed: int
) -> pandas.DataFrame:
    """Bootstrap intervals of sum(numerator) / sum(denominator) for each column, over the rows that have a numerator.

    Whole abstracts are drawn with replacement, the same ones for all columns that have values in the same rows, so that
    one drawing serves all runs and quantities. As ``mean_intervals`` otherwise; the estimate is the column ``ratio``.
    """
    import pandas

    groups = _columns_by_rows(numerators)
    parts = [
        _intervals(numerators.loc[rows, columns], denominators.loc[rows, columns], uncertainty, seed)
        for rows, columns in groups
    ]
    return pandas.concat(parts).reindex(numerators.columns)


def _columns_by_rows(values: pandas.DataFrame) -> list[tuple[numpy.ndarray, list]]:
    """Columns that have values in the same rows, as pairs of a mask of rows and a list of columns."""
    groups: dict[bytes, tuple[numpy.ndarray, list]] = {}
    for name in values.columns:
        rows = values[name].notna().to_numpy()
        groups.setdefault(rows.tobytes(), (rows, []))[1].append(name)
    return list(groups.values())


def _intervals(
    numerators: pandas.DataFrame, denominators: pandas.DataFrame, uncertainty: Uncertainty, seed: int
) -> pandas.DataFrame:
    import numpy
    import pandas

    table = pandas.DataFrame(index=numerators.columns)
    table["n"] = len(numerators)
    table["ratio"] = (numerators.sum() / denominators.sum()).to_numpy() if len(numerators) else numpy.nan
    bounds = ["low", "high", "bca_low", "bca_high"]
    table[bounds] = numpy.nan if len(numerators) < 2 else _bounds(numerators, denominators, uncertainty, seed)
    return table


def _bounds(
    numerators: pandas.DataFrame, denominators: pandas.DataFrame, uncertainty: Uncertainty, seed: int
) -> numpy.ndarray:
    """Percentile and BCa bounds from one bootstrap distribution: an array of shape (columns, 4)."""
    import numpy
    from scipy.stats import DegenerateDataWarning, bootstrap

    rows = len(numerators)
    resampled = _ResampledRatios(numerators.to_numpy(), denominators.to_numpy())
    settings = {"confidence_level": uncertainty.confidence, "vectorized": True, "batch": max(BATCH_CELLS // rows, 1)}
    data, rng = (numpy.arange(rows),), numpy.random.default_rng(seed)
    percentile = bootstrap(data, resampled, n_resamples=uncertainty.resamples, method="percentile", rng=rng, **settings)
    with warnings.catch_warnings(), numpy.errstate(invalid="ignore"):
        warnings.simplefilter("ignore", DegenerateDataWarning)  # equal values give NaN, which tables leave out
        bca = bootstrap(data, resampled, n_resamples=0, bootstrap_result=percentile, method="BCa", **settings)
    return numpy.column_stack([*percentile.confidence_interval, *bca.confidence_interval])


class _ResampledRatios:
    """The statistic for ``scipy.stats.bootstrap``, whose data are the *numbers of rows*: ratios of all columns at once.

    The number of times that each row was drawn, times the table, is one matrix product; gathering 16,000 rows for each
    resample, run and quantity takes twenty times as long.
    """

    def __init__(self, numerators: numpy.ndarray, denominators: numpy.ndarray) -> None:
        self.numerators, self.denominators = numerators, denominators

    def __call__(self, drawn: numpy.ndarray, axis: int = -1) -> numpy.ndarray:
        """Ratios of shape (columns, resamples) for drawn row numbers of shape (resamples, rows)."""
        counts = _counts(drawn.reshape(-1, drawn.shape[-1]), len(self.numerators))
        ratios = (counts @ self.numerators) / (counts @ self.denominators)
        return ratios.T.reshape(-1, *drawn.shape[:-1])


def _counts(drawn: numpy.ndarray, rows: int) -> numpy.ndarray:
    """How often each of ``rows`` rows is in each of the samples ``drawn``: shape (samples, rows), as floats."""
    import numpy

    offsets = rows * numpy.arange(len(drawn))[:, None]
    return numpy.bincount((drawn + offsets).ravel(), minlength=rows * len(drawn)).reshape(-1, rows).astype(float)
