import numpy as np
import pandas as pd
import pytest
import scipy.stats

from feyntune.config.schema.report import Uncertainty
from feyntune.report.statistics import mean_intervals, ratio_intervals

FEW = Uncertainty(resamples=999)


def lognormal(rows, columns, seed=0):
    return pd.DataFrame(np.random.default_rng(seed).lognormal(0, 0.8, (rows, columns)))


@pytest.mark.parametrize(("method", "low", "high"), [("percentile", "low", "high"), ("BCa", "bca_low", "bca_high")])
def test_intervals_are_scipys_of_each_column_alone(method, low, high):
    values = lognormal(40, 3)
    table = mean_intervals(values, FEW, seed=7)
    for name in values:
        rng = np.random.default_rng(7)
        alone = scipy.stats.bootstrap((values[name],), np.mean, n_resamples=999, method=method, rng=rng)
        assert table.loc[name, [low, high]].tolist() == pytest.approx(list(alone.confidence_interval))
    assert table["mean"].tolist() == pytest.approx(values.mean().tolist())


def test_a_column_with_gaps_is_as_if_they_were_not_there():
    values = lognormal(30, 3)
    values.loc[[3, 7], 1] = np.nan
    table = mean_intervals(values, FEW, seed=1)
    alone = mean_intervals(values[[1]].dropna(), FEW, seed=1)
    pd.testing.assert_frame_equal(table.loc[[1]], alone)
    assert table["n"].tolist() == [30, 28, 30]
    assert table.index.tolist() == [0, 1, 2]


def test_ratios_are_of_sums():
    nats, tokens = pd.DataFrame({"run": [1.0, 3.0]}), pd.DataFrame({"run": [1.0, 7.0]})
    table = ratio_intervals(nats, tokens, FEW, seed=0)
    assert table.loc["run", "ratio"] == 0.5
    assert table.loc["run", ["low", "high"]].tolist() == pytest.approx([3 / 7, 1.0])


def test_equal_values_have_no_width_and_one_value_has_no_interval():
    equal = mean_intervals(pd.DataFrame({"run": [2.0, 2.0, 2.0]}), FEW, seed=0).loc["run"]
    assert equal[["mean", "low", "high"]].tolist() == [2, 2, 2]
    assert equal[["bca_low", "bca_high"]].isna().all()
    single = mean_intervals(pd.DataFrame({"run": [2.0, np.nan], "none": [np.nan, np.nan]}), FEW, seed=0)
    assert single["mean"].tolist()[0] == 2
    assert single[["low", "high", "bca_low", "bca_high"]].isna().all(axis=None)


def test_intervals_cover_the_truth_as_often_as_they_promise():
    # 1,000 samples of 100 abstracts, as skewed as perplexities are. The share of 1,000 that cover has a standard error
    # of 0.7%; of so skewed a law, the percentile method is known to cover a little less than it promises.
    truth = np.exp(0.4**2 / 2)
    values = pd.DataFrame(np.random.default_rng(3).lognormal(0, 0.4, (100, 1000)))
    table = mean_intervals(values, FEW, seed=3)
    for low, high in (("low", "high"), ("bca_low", "bca_high")):
        covered = ((table[low] <= truth) & (truth <= table[high])).mean()
        assert 0.92 <= covered <= 0.965
    narrow = mean_intervals(values, Uncertainty(resamples=999, confidence=0.5), seed=3)
    assert 0.45 <= ((narrow["low"] <= truth) & (truth <= narrow["high"])).mean() <= 0.55


def test_intervals_of_ratios_cover_the_truth():
    rng = np.random.default_rng(4)
    tokens = pd.DataFrame(rng.integers(50, 300, (100, 1000)).astype(float))
    nats = tokens * rng.normal(2.5, 0.5, tokens.shape)
    table = ratio_intervals(nats, tokens, FEW, seed=4)
    assert 0.925 <= ((table["low"] <= 2.5) & (table["high"] >= 2.5)).mean() <= 0.97
