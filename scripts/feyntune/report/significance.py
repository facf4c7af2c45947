"""Paired permutation tests that can decide, whatever the number of comparisons, and p-values corrected for that number.

A correction for m comparisons multiplies a p-value by up to m. So the number of permutations grows with m, and where no
permutation reaches what was observed, a bound of the exact p-value takes the place of 1 / (permutations + 1).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from feyntune.config.schema.report import Uncertainty
from feyntune.report.statistics import BATCH_CELLS

if TYPE_CHECKING:
    import numpy
    import pandas

LEVEL = 0.05
"""Corrected p-values below this count as a difference."""
FINER = 20
"""How many times as many sign flips are drawn as the correction needs."""
MOST_PRODUCTS = 4e11
"""Multiplications of a sign with a difference in one test of all pairs, about a minute; the bound needs no more."""
ENUMERATED = 13
"""Abstracts of which all sign flips are tried instead of a sample: 2^13 of them are fewer than the default sample."""
NEWTON_STEPS = 20
"""Steps towards the tightest bound. Every step gives a valid bound."""


def paired_p_values(differences: pandas.DataFrame, uncertainty: Uncertainty, seed: int) -> pandas.Series:
    """Two-sided p-values of paired permutation tests of the hypothesis that the mean of a column is zero.

    If two runs were equally good, each abstract's difference could as well have the other sign (Fisher's permutation
    test, *The Design of Experiments*, 1935, section 21). It tests the mean, which the tables give, and is valid for
    skewed differences of perplexity; Wilcoxon's test is about ranks, where an extreme abstract counts like any other.
    Signs are the same for all columns.

    The p-value is the fraction of all sign flips whose sum is as far from zero as the observed one, if they are few
    enough to try all. Otherwise it is (hits + 1) / (flips + 1) of a random sample of flips; without any hit it is the
    smaller of this and ``tail_bounds``. The result is a valid p-value: below 1 / (flips + 1) only the bound counts,
    which is never less than the exact p-value, and above that the number of hits alone decides.

    Args:
        differences: a row for each abstract and a column for each comparison; NaN where one run has no value. The
            columns are the comparisons that are corrected together: their number decides how many flips are drawn.
        uncertainty: least number of flips.
        seed: seed of the signs.

    Returns:
        Series of p-values with the columns of ``differences`` as index.
    """
    import numpy
    import pandas

    values = differences.fillna(0).to_numpy(dtype=float)
    rows, columns = values.shape
    observed = numpy.abs(values.sum(axis=0)) * (1 - 1e-12)  # rounding must not exclude the observed signs themselves
    if rows <= ENUMERATED:
        return pandas.Series(_hits(values, observed, _all_signs(rows)) / 2**rows, index=differences.columns)
    flips = number_of_flips(rows, columns, uncertainty.resamples)
    hits = _hits(values, observed, _random_signs(rows, flips, seed))
    p_values = (hits + 1) / (flips + 1)
    unreached = hits == 0
    p_values[unreached] = numpy.minimum(p_values[unreached], tail_bounds(values[:, unreached]))
    return pandas.Series(p_values, index=differences.columns)


def number_of_flips(abstracts: int, comparisons: int, least: int) -> int:
    """Sign flips for a family of comparisons: ``FINER`` times what the correction needs to fall below ``LEVEL``.

    Not more than ``MOST_PRODUCTS`` allows, and never fewer than ``least``.
    """
    needed = math.ceil(FINER * comparisons / LEVEL)
    affordable = int(MOST_PRODUCTS / max(abstracts * comparisons, 1))
    return max(least, min(needed, affordable))


def tail_bounds(values: numpy.ndarray) -> numpy.ndarray:
    """Chernoff's upper bound of the exact two-sided p-value of the sign-flip test, for each column.

    For the sum S of a column's differences d with random signs, P(|S| >= s) <= 2 exp(K(t) - t s) for every t > 0, where
    K(t) = sum of log cosh(t d) is the cumulant generating function of S (Chernoff, Ann. Math. Stat. 23, 1952, 493). The
    bound is tightest where K'(t) = s; Newton's method approaches this t from below, because K' is concave.

    Args:
        values: differences, an array of shape (abstracts, comparisons).
    """
    import numpy

    sizes = numpy.abs(values)
    scale = numpy.sqrt((sizes**2).sum(axis=0))
    sizes = sizes / numpy.where(scale > 0, scale, 1)
    total = numpy.abs(values.sum(axis=0)) / numpy.where(scale > 0, scale, 1)
    t, exponent = numpy.zeros_like(total), numpy.zeros_like(total)
    for _ in range(NEWTON_STEPS):
        slopes = numpy.tanh(t * sizes)
        curvature = (sizes**2 * (1 - slopes**2)).sum(axis=0)
        rise = total - (sizes * slopes).sum(axis=0)
        t = t + numpy.where(curvature > 1e-12, rise / numpy.maximum(curvature, 1e-12), 0).clip(min=0)
        exponent = numpy.minimum(exponent, _log_cosh(t * sizes).sum(axis=0) - t * total)
    bounds = numpy.maximum(2 * numpy.exp(exponent), smallest_p_values(values))
    return numpy.clip(bounds, numpy.finfo(float).tiny, 1)


def _log_cosh(x: numpy.ndarray) -> numpy.ndarray:
    """log(cosh(x)) of numbers that are not negative, without overflow."""
    import numpy

    return x + numpy.log1p(numpy.exp(-2 * x)) - math.log(2)


def smallest_p_values(values: numpy.ndarray) -> numpy.ndarray:
    """The smallest p-value that the test can give for each column: 2 / 2^n for n differences that are not zero.

    Args:
        values: differences, an array of shape (abstracts, comparisons); NaN counts as zero.
    """
    import numpy

    changed = (numpy.nan_to_num(values) != 0).sum(axis=0)
    return numpy.minimum(numpy.exp2(1.0 - changed), 1)


def decidable(p_values: Sequence[float], smallest: Sequence[float] | numpy.ndarray) -> numpy.ndarray:
    """Whether each test could fall below ``LEVEL``: if its own p-value were the smallest one, the others as they are.

    Args:
        p_values: p-values of a family of tests.
        smallest: from ``smallest_p_values``.

    Returns:
        Array of booleans in the order of the tests.
    """
    import numpy

    values, least = numpy.asarray(p_values, dtype=float), numpy.asarray(smallest, dtype=float)
    possible: numpy.ndarray = holm(values) < LEVEL
    for place in numpy.flatnonzero(~possible):
        alternative = values.copy()
        alternative[place] = least[place]
        possible[place] = holm(alternative)[place] < LEVEL
    return possible


def _all_signs(rows: int) -> Iterator[numpy.ndarray]:
    import numpy

    patterns = numpy.arange(2**rows)[:, None] >> numpy.arange(rows) & 1
    yield 1.0 - 2.0 * patterns


def _random_signs(rows: int, flips: int, seed: int) -> Iterator[numpy.ndarray]:
    """Batches of random signs, shape (flips of the batch, rows)."""
    import numpy

    rng = numpy.random.default_rng(seed)
    for size in _batches(flips, max(BATCH_CELLS // rows, 1)):
        bits = numpy.frombuffer(rng.bytes(size * -(-rows // 8)), dtype=numpy.uint8).reshape(size, -1)
        yield 1.0 - 2.0 * numpy.unpackbits(bits, axis=1, count=rows)


def _batches(total: int, size: int) -> list[int]:
    return [min(size, total - start) for start in range(0, total, size)]


def _hits(values: numpy.ndarray, observed: numpy.ndarray, batches: Iterator[numpy.ndarray]) -> numpy.ndarray:
    """How many flips give a sum as far from zero as the observed one, for each column."""
    import numpy

    hits = numpy.zeros(values.shape[1], dtype=int)
    for signs in batches:
        hits += (numpy.abs(signs @ values) >= observed).sum(axis=0)
    return hits


def holm(p_values: Sequence[float] | numpy.ndarray) -> numpy.ndarray:
    """Holm's corrected p-values, valid for all tests together (Scand. J. Stat. 6, 1979, 65), in the order given."""
    import numpy

    values = numpy.asarray(p_values, dtype=float)
    order = numpy.argsort(values, kind="stable")
    steps = values[order] * numpy.arange(len(values), 0, -1)
    corrected = numpy.empty_like(values)
    corrected[order] = numpy.minimum(numpy.maximum.accumulate(steps), 1)
    return corrected
