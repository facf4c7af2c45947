import itertools
from collections import Counter

import numpy as np
import pandas as pd
import pytest
import scipy.stats

from feyntune.config.schema.report import Uncertainty
from feyntune.report.significance import (
    decidable,
    holm,
    number_of_flips,
    paired_p_values,
    smallest_p_values,
    tail_bounds,
)

FEW = Uncertainty(resamples=999)


def lognormal(rows, columns, seed=0):
    return pd.DataFrame(np.random.default_rng(seed).lognormal(0, 0.8, (rows, columns)))


def test_p_values_are_shares_of_sign_flips():
    # Of the 8 ways to give 1, 2 and 3 signs, two have a sum as far from 0 as 6; with 1, 1, -2 all have one as far as 0.
    differences = pd.DataFrame({"clear": [1.0, 2.0, 3.0], "none": [1.0, 1.0, -2.0], "same": [0.0, 0.0, 0.0]})
    found = paired_p_values(differences, Uncertainty(resamples=20_000), seed=0)
    assert found["clear"] == pytest.approx(2 / 8, abs=0.01)
    assert found["none"] == found["same"] == 1


def test_p_values_agree_with_scipys_permutation_test():
    differences = lognormal(25, 2) - 1.2
    found = paired_p_values(differences, Uncertainty(resamples=20_000), seed=0)
    for name in differences:
        kind = {"permutation_type": "samples", "vectorized": True, "n_resamples": 20_000}
        rng = np.random.default_rng(5)
        expected = scipy.stats.permutation_test((differences[name],), np.mean, rng=rng, **kind).pvalue
        assert found[name] == pytest.approx(expected, abs=0.015)


def test_p_values_are_uniform_where_nothing_differs():
    differences = pd.DataFrame(np.random.default_rng(6).standard_t(3, (40, 1000)))
    families = [paired_p_values(differences[range(start, start + 2)], FEW, seed=start) for start in range(0, 1000, 2)]
    found = pd.concat(families)
    for level in (0.05, 0.5):
        assert (found <= level).mean() == pytest.approx(level, abs=3.5 * np.sqrt(level * (1 - level) / 1000))


def test_p_values_pass_over_abstracts_that_one_run_lacks():
    differences = pd.DataFrame({"run": [1.0, 2.0, 3.0, np.nan, np.nan]})
    assert paired_p_values(differences, Uncertainty(resamples=20_000), 0)["run"] == pytest.approx(0.25, abs=0.01)


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03]).tolist() == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.6, 0.9]).tolist() == [1, 1]
    assert holm([]).tolist() == []


def exact_p_value(differences):
    """By a dictionary of the number of sign flips that give each sum; for whole numbers."""
    sums = Counter({0: 1})
    for difference in differences:
        flipped = Counter()
        for total, number in sums.items():
            flipped[total + difference] += number
            flipped[total - difference] += number
        sums = flipped
    observed = abs(sum(differences))
    return sum(number for total, number in sums.items() if abs(total) >= observed) / 2 ** len(differences)


def test_few_abstracts_are_enumerated_and_agree_with_scipys_exact_test():
    differences = lognormal(9, 3) - 0.7
    found = paired_p_values(differences, Uncertainty(resamples=99), seed=0)
    for name in differences:
        exact = scipy.stats.permutation_test(
            (differences[name],), np.mean, permutation_type="samples", vectorized=True, n_resamples=np.inf
        )
        assert found[name] == pytest.approx(exact.pvalue, rel=1e-12)


@pytest.mark.parametrize("shape", ["equal", "skewed", "outlier", "one_side"])
def test_bounds_are_above_the_exact_p_value_and_within_two_orders_of_it(shape):
    rng = np.random.default_rng(8)
    columns = {
        "equal": rng.choice([-1, 1], p=[0.1, 0.9], size=60),
        "skewed": np.round(10 * rng.lognormal(0, 0.8, 60) - 6).astype(int),
        "outlier": np.append(rng.integers(-3, 12, 59), 400),
        "one_side": rng.integers(1, 9, 60),
    }
    differences = [int(each) for each in columns[shape]]
    exact, bound = exact_p_value(differences), tail_bounds(np.array(differences, dtype=float)[:, None])[0]
    assert exact <= bound * (1 + 1e-9)
    assert bound <= 100 * exact
    assert exact < 1e-4  # the region where it is used


def test_bounds_hold_for_every_column_that_can_be_enumerated():
    values = np.random.default_rng(9).standard_t(2, (12, 200)) + 0.5
    signs = np.array(list(itertools.product([-1, 1], repeat=12)))
    exact = (np.abs(signs @ values) >= np.abs(values.sum(axis=0)) * (1 - 1e-12)).mean(axis=0)
    assert (tail_bounds(values) >= exact * (1 - 1e-9)).all()


def test_bounds_of_nothing_are_one():
    assert tail_bounds(np.array([[0.0, 1.0], [0.0, -1.0]])).tolist() == [1, 1]
    assert tail_bounds(np.full((3000, 1), 0.5))[0] > 0


def test_flips_follow_from_the_number_of_comparisons():
    assert number_of_flips(150, 1, 199) == 400
    assert number_of_flips(150, 1, 9999) == 9999
    assert number_of_flips(150, 40, 199) == 16_000
    assert number_of_flips(16_000, 500, 9999) == 50_000
    assert number_of_flips(10**6, 10**6, 9999) == 9999


def test_forty_clear_differences_are_all_decided_with_199_resamples():
    differences = pd.DataFrame(np.random.default_rng(1).normal(1, 0.5, (150, 40)))
    found = paired_p_values(differences, Uncertainty(resamples=199), seed=1)
    assert holm(found).max() < 1e-6


def test_p_values_of_many_comparisons_keep_their_promise():
    # 400 families of 5 comparisons without any difference: at most 5% of them have any corrected p-value below 0.05.
    rng = np.random.default_rng(2)
    families = [pd.DataFrame(rng.standard_t(3, (20, 5))) for _ in range(400)]
    smallest = [holm(paired_p_values(each, Uncertainty(resamples=99), seed=place)).min()
                for place, each in enumerate(families)]  # fmt: skip
    assert (np.array(smallest) < 0.05).mean() <= 0.05 + 2.6 * np.sqrt(0.05 * 0.95 / 400)


def test_the_smallest_p_value_counts_abstracts_that_differ():
    values = np.array([[1.0, 0.0, np.nan], [1.0, 0.0, 2.0], [-1.0, 0.0, np.nan]])
    assert smallest_p_values(values).tolist() == [0.25, 1, 1]


def test_what_too_few_abstracts_cannot_decide():
    # Corrected for four, 2 / 2^6 is 0.125; once the others are decided it is corrected for itself alone.
    assert decidable([0.5, 0.5, 0.5, 0.5], [2 / 2**6] * 4).tolist() == [False] * 4
    assert decidable([0.5, 0.001, 0.001, 0.001], [2 / 2**6] * 4).tolist() == [True] * 4
    assert decidable([0.5, 0.5], [1e-9, 1]).tolist() == [True, False]
