"""How sure one can be: bootstrap intervals, paired permutation tests, and p-values corrected for their number."""

import warnings

BATCH_CELLS = 4_000_000
"""Numbers that one batch of resamples holds."""


def mean_intervals(values, uncertainty, seed):
    """Bootstrap intervals of the mean of each column, ignoring NaN.

    Args:
        values: DataFrame, a row an abstract and a column a quantity.
        uncertainty: ``settings.report.Uncertainty``.
        seed: seed of the resampling.

    Returns:
        DataFrame with the columns of ``values`` as index and the columns ``n``, ``mean``, ``low`` and ``high``
        (percentile method), ``bca_low`` and ``bca_high`` (bias-corrected and accelerated; NaN for equal values).
    """
    return ratio_intervals(values, values.notna().astype(float), uncertainty, seed).rename(columns={"ratio": "mean"})


def ratio_intervals(numerators, denominators, uncertainty, seed):
    """Bootstrap intervals of sum(numerator) / sum(denominator) for each column, over the rows that have a numerator.

    Whole abstracts are drawn with replacement, the same ones for all columns that have values in the same rows: so that
    one drawing serves all runs and measures. As ``mean_intervals`` otherwise; the estimate is in the column ``ratio``.
    """
    import pandas

    groups = _columns_by_rows(numerators)
    parts = [
        _intervals(numerators.loc[rows, columns], denominators.loc[rows, columns], uncertainty, seed)
        for rows, columns in groups
    ]
    return pandas.concat(parts).reindex(numerators.columns)


def _columns_by_rows(values):
    """Columns that have values in the same rows, as pairs of a mask of rows and a list of columns."""
    groups = {}
    for name in values.columns:
        rows = values[name].notna().to_numpy()
        groups.setdefault(rows.tobytes(), (rows, []))[1].append(name)
    return groups.values()


def _intervals(numerators, denominators, uncertainty, seed):
    import numpy
    import pandas

    table = pandas.DataFrame(index=numerators.columns)
    table["n"] = len(numerators)
    table["ratio"] = (numerators.sum() / denominators.sum()).to_numpy() if len(numerators) else numpy.nan
    bounds = ["low", "high", "bca_low", "bca_high"]
    table[bounds] = numpy.nan if len(numerators) < 2 else _bounds(numerators, denominators, uncertainty, seed)
    return table


def _bounds(numerators, denominators, uncertainty, seed):
    """Percentile and BCa bounds from one bootstrap distribution: an array of shape (columns, 4)."""
    import numpy
    from scipy.stats import DegenerateDataWarning, bootstrap

    rows = len(numerators)
    resampled = _ResampledRatios(numerators.to_numpy(), denominators.to_numpy())
    settings = {"confidence_level": uncertainty.confidence, "vectorized": True, "batch": max(BATCH_CELLS // rows, 1)}
    data, rng = (numpy.arange(rows),), numpy.random.default_rng(seed)
    percentile = bootstrap(data, resampled, n_resamples=uncertainty.resamples, method="percentile", rng=rng, **settings)
    with warnings.catch_warnings(), numpy.errstate(invalid="ignore"):
        warnings.simplefilter("ignore", DegenerateDataWarning)  # equal values: told by NaN, which tables leave out
        bca = bootstrap(data, resampled, n_resamples=0, bootstrap_result=percentile, method="BCa", **settings)
    return numpy.column_stack([*percentile.confidence_interval, *bca.confidence_interval])


class _ResampledRatios:
    """The statistic for ``scipy.stats.bootstrap``, whose data are the *numbers of rows*: ratios of all columns at once.

    How often each row was drawn, times the table, is one matrix product; gathering 16,000 rows for each resample,
    run and measure takes twenty times as long.
    """

    def __init__(self, numerators, denominators):
        self.numerators, self.denominators = numerators, denominators

    def __call__(self, drawn, axis=-1):
        """Ratios of shape (columns, resamples) for drawn row numbers of shape (resamples, rows)."""
        counts = _counts(drawn.reshape(-1, drawn.shape[-1]), len(self.numerators))
        ratios = (counts @ self.numerators) / (counts @ self.denominators)
        return ratios.T.reshape(-1, *drawn.shape[:-1])


def _counts(drawn, rows):
    """How often each of ``rows`` rows is in each of the samples ``drawn``: shape (samples, rows), as floats."""
    import numpy

    offsets = rows * numpy.arange(len(drawn))[:, None]
    return numpy.bincount((drawn + offsets).ravel(), minlength=rows * len(drawn)).reshape(-1, rows).astype(float)


def paired_p_values(differences, uncertainty, seed):
    """Two-sided p-values of paired permutation tests: could the mean of each column of differences be zero by chance?

    If two runs were alike, each abstract's difference could as well have the other sign (Fisher's permutation test,
    *The Design of Experiments*, 1935, section 21). It asks about the mean, which the tables give, and holds for skewed
    differences of perplexity; Wilcoxon asks about ranks, where one hopeless abstract counts no more than another.
    Signs are the same for all columns. The p-value counts the observed signs as one of the drawings, and is therefore
    never below 1 / (resamples + 1).

    Args:
        differences: DataFrame, a row an abstract and a column a comparison; NaN where one of the two has no value.
        uncertainty: ``settings.report.Uncertainty``.
        seed: seed of the signs.

    Returns:
        Series of p-values with the columns of ``differences`` as index.
    """
    import numpy
    import pandas

    values = differences.fillna(0).to_numpy()
    observed = numpy.abs(values.sum(axis=0)) * (
        1 - 1e-12
    )  # rounding must not make the observed signs unlike themselves
    rng, hits = numpy.random.default_rng(seed), numpy.zeros(values.shape[1], dtype=int)
    for size in _batches(uncertainty.resamples, max(BATCH_CELLS // max(len(values), 1), 1)):
        signs = 1.0 - 2.0 * rng.integers(0, 2, size=(size, len(values)), dtype=numpy.int8)
        hits += (numpy.abs(signs @ values) >= observed).sum(axis=0)
    return pandas.Series((hits + 1) / (uncertainty.resamples + 1), index=differences.columns)


def _batches(total, size):
    return [min(size, total - start) for start in range(0, total, size)]


def holm(p_values):
    """Holm's corrected p-values: valid at once for all of them (Scand. J. Stat. 6, 1979, 65), in the order given."""
    import numpy

    p_values = numpy.asarray(p_values, dtype=float)
    order = numpy.argsort(p_values, kind="stable")
    steps = p_values[order] * numpy.arange(len(p_values), 0, -1)
    corrected = numpy.empty_like(p_values)
    corrected[order] = numpy.minimum(numpy.maximum.accumulate(steps), 1)
    return corrected
