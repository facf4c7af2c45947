"""Intervals with the variance between abstracts and between seeds, against brute force, scipy, and a simulation."""

import math
import statistics

import numpy as np
import pytest
from scipy import stats

from feyntune.report.variance_components import components, error_of_difference, half_width, p_value_of


def table(abstracts, seeds, rng, of_abstracts=1.0, of_seeds=1.0, of_rest=1.0):
    """Values with standard deviations of their effects; ``of_abstracts`` may be a function that draws the effects."""
    effects = of_abstracts(abstracts) if callable(of_abstracts) else of_abstracts * rng.standard_normal(abstracts)
    rest = of_rest * rng.standard_normal((abstracts, seeds))
    return effects[:, None] + of_seeds * rng.standard_normal(seeds) + rest


def test_components_are_those_of_a_loop_over_the_cells():
    values = table(7, 3, np.random.default_rng(1)).tolist()
    n, s = 7, 3
    mean = statistics.fmean(cell for row in values for cell in row)
    rows = [statistics.fmean(row) for row in values]
    columns = [statistics.fmean(row[k] for row in values) for k in range(s)]
    ms_abstracts = s * sum((each - mean) ** 2 for each in rows) / (n - 1)
    ms_seeds = n * sum((each - mean) ** 2 for each in columns) / (s - 1)
    ms_rest = sum(
        (values[i][k] - rows[i] - columns[k] + mean) ** 2 for i in range(n) for k in range(s)
    ) / ((n - 1) * (s - 1))  # fmt: skip
    found = components(np.array(values))
    assert found.rest == pytest.approx(math.sqrt(ms_rest))
    assert found.abstracts == pytest.approx(math.sqrt((ms_abstracts - ms_rest) / s))
    assert found.seeds == pytest.approx(math.sqrt((ms_seeds - ms_rest) / n))
    error = error_of_difference(np.array(values))
    assert error.variance == pytest.approx(found.abstracts**2 / n + found.seeds**2 / s + found.rest**2 / (n * s))


def test_a_negative_estimate_of_a_variance_is_zero():
    values = np.array([[0.0, 1.0], [1.0, 0.0]])  # no difference between seeds, much rest
    assert components(values).seeds == 0
    assert error_of_difference(values).variance == 0


@pytest.mark.parametrize("seeds", [1, 2, 4])
def test_without_differences_between_seeds_it_is_students_interval_over_abstracts(seeds):
    numbers = np.array([1.0, 4.0, 2.0, 8.0, 5.0])
    low, high = stats.ttest_1samp(numbers, 0).confidence_interval(0.9)
    error = error_of_difference(np.repeat(numbers[:, None], seeds, axis=1))
    assert half_width(error, 0.9) == pytest.approx((high - low) / 2)


def test_without_differences_between_abstracts_it_is_students_interval_over_seeds():
    numbers = np.array([1.0, 4.0, 2.0])
    test = stats.ttest_1samp(numbers, 0)
    low, high = test.confidence_interval(0.95)
    error = error_of_difference(np.repeat(numbers[None, :], 6, axis=0))
    assert half_width(error, 0.95) == pytest.approx((high - low) / 2)
    assert p_value_of(numbers.mean(), error) == pytest.approx(test.pvalue, rel=1e-4)


def test_two_groups_that_differ_between_seeds_only():
    one, other = (np.repeat(np.array(numbers)[None, :], 5, axis=0) for numbers in ([1.0, 2.0, 4.0], [2.0, 2.5, 2.7]))
    expected = statistics.variance([1.0, 2.0, 4.0]) / 3 + statistics.variance([2.0, 2.5, 2.7]) / 3
    assert error_of_difference(one, other).variance == pytest.approx(expected)


def test_what_makes_an_abstract_hard_for_both_cancels_out():
    rng = np.random.default_rng(0)
    hard = 100 * rng.standard_normal(50)[:, None]
    one, other = table(50, 3, rng, 0, 0, 1), table(50, 3, rng, 0, 0, 1)
    paired = error_of_difference(one + hard, other + hard)
    assert paired.variance == pytest.approx(error_of_difference(one, other).variance)


@pytest.mark.parametrize("difference", [0.05, 0.4, 2.0])
def test_a_p_value_is_the_level_at_which_the_interval_touches_zero(difference):
    error = error_of_difference(table(30, 3, np.random.default_rng(2), 1, 0.3, 1))
    p = p_value_of(difference, error)
    assert half_width(error, 1 - p) == pytest.approx(difference, rel=1e-3)
    assert p_value_of(-difference, error) == p


def test_a_p_value_without_any_difference_is_one():
    assert p_value_of(0.0, error_of_difference(table(5, 2, np.random.default_rng(0)))) == 1
    assert p_value_of(1.0, error_of_difference(np.zeros((5, 2)))) <= 1e-12


ABSTRACTS, TIMES = 60, 700


def coverage(seeds, fraction, interval, groups=1, draw=None, rest=0.5):
    """How often the interval of a mean covers it. ``fraction`` of the variance of the mean comes from seeds."""
    rng = np.random.default_rng([seeds, int(100 * fraction), groups])
    of_seeds = math.sqrt(fraction / (1 - fraction) * (1 + rest**2 / seeds) / ABSTRACTS * seeds)
    drawn = (lambda count: draw(rng, count)) if draw else 1.0
    covered = 0
    for _ in range(TIMES):
        values = [table(ABSTRACTS, seeds, rng, drawn, of_seeds, rest) for _ in range(groups)]
        error = error_of_difference(*values)
        difference = values[0].mean() - (values[1].mean() if groups == 2 else 0)
        covered += abs(difference) <= interval(error)
    return covered / TIMES


def ours(error):
    return half_width(error, 0.95)


FRACTIONS = (0.0, 0.3, 0.7, 0.95)


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("seeds", [2, 3, 4, 5])
def test_95_percent_intervals_cover_the_mean_as_often_as_they_say(seeds, groups):
    found = [coverage(seeds, fraction, ours, groups) for fraction in FRACTIONS]
    assert min(found) >= 0.925 and max(found) <= (0.99 if seeds == 2 else 0.98), found
    assert 0.94 <= statistics.fmean(found) <= (0.985 if seeds == 2 else 0.975), found


def test_a_normal_interval_would_be_far_too_short():
    assert coverage(2, 0.95, lambda error: 1.96 * math.sqrt(error.variance)) < 0.8
    assert coverage(3, 0.95, lambda error: 1.96 * math.sqrt(error.square)) < 0.5  # abstracts only


def skewed(rng, count):
    """Perplexities: log-normal with a standard deviation of 1, less their mean."""
    spread = 0.8
    mean = math.exp(spread**2 / 2)
    return (rng.lognormal(0, spread, count) - mean) / (mean * math.sqrt(math.exp(spread**2) - 1))


@pytest.mark.parametrize("seeds", [2, 3, 5])
def test_skewed_abstracts_cost_some_coverage_where_abstracts_matter_most(seeds):
    found = [coverage(seeds, fraction, ours, draw=skewed) for fraction in (0.0, 0.5)]
    assert min(found) >= 0.91 and max(found) <= 0.98, found
