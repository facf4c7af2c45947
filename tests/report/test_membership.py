"""Areas under the ROC curve and their intervals: against scipy, all pairs, and samples whose truth is known."""

import math

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import scipy.stats

from feyntune.report.membership import area_under_curve, membership, membership_layout
from feyntune.report.pool import COLUMNS, OPTIONAL, pool_tables
from feyntune.report.results import PooledFiles, read_results
from support import made_results


def scores(known=40, unseen=55, shift=0.8, seed=0):
    rng = np.random.default_rng(seed)
    return np.round(rng.normal(shift, 1, known), 1), np.round(rng.normal(0, 1.3, unseen), 1)  # with ties


def test_the_area_is_mann_whitneys_fraction_of_pairs():
    known, unseen = scores()
    pairs = (known[:, None] > unseen).mean() + (known[:, None] == unseen).mean() / 2
    u = scipy.stats.mannwhitneyu(known, unseen).statistic
    assert area_under_curve(known, unseen, 0.95).auc == pytest.approx(pairs) == pytest.approx(u / (40 * 55))


def test_the_interval_has_delongs_variance_written_out():
    known, unseen = scores()
    wins = (known[:, None] > unseen) + (known[:, None] == unseen) / 2
    auc = wins.mean()
    variance = wins.mean(axis=1).var(ddof=1) / len(known) + wins.mean(axis=0).var(ddof=1) / len(unseen)
    half = 1.959964 * math.sqrt(variance) / (auc * (1 - auc))
    middle = math.log(auc / (1 - auc))
    found = area_under_curve(known, unseen, 0.95)
    assert found.low == pytest.approx(1 / (1 + math.exp(half - middle)), rel=1e-6)
    assert found.high == pytest.approx(1 / (1 + math.exp(-half - middle)), rel=1e-6)


def test_intervals_cover_the_truth_as_often_as_they_promise():
    # P(N(1, 1) > N(0, 1)) = Phi(1 / sqrt 2). Of 1,000 samples, the fraction that covers has a standard error of 0.7%.
    truth, rng = scipy.stats.norm.cdf(1 / math.sqrt(2)), np.random.default_rng(1)
    found = [area_under_curve(rng.normal(1, 1, 60), rng.normal(0, 1, 80), 0.95) for _ in range(1000)]
    assert 0.93 <= np.mean([area.low <= truth <= area.high for area in found]) <= 0.97


def test_a_perfect_separation_and_single_texts_have_no_interval():
    perfect = area_under_curve(np.array([2.0, 3.0]), np.array([0.0, 1.0]), 0.95)
    assert perfect.auc == 1 and math.isnan(perfect.low)
    single = area_under_curve(np.array([0.5]), np.array([0.0, 1.0]), 0.95)
    assert single.auc == 0.5 and math.isnan(single.high)
    assert math.isnan(area_under_curve(np.array([]), np.array([1.0]), 0.95).auc)


@pytest.fixture
def results(tmp_path):
    """Results on two sets; a run has Min-K%++ on both, another on one."""
    made_results.make_results(tmp_path, text_sets=["seen"])
    labels, inputs = [], []
    for name, shift in (("unseen", 0.0), ("seen", 1.0)):
        for label in made_results.WITH_MODEL[:2]:
            path = tmp_path / f"perplexity/{name}/{label['run']}.parquet"
            table = pq.read_table(path)
            if label["run"] != "tiny_base" or name == "seen":
                values = np.random.default_rng(len(inputs)).normal(shift, 1, len(table))
                table = table.append_column("min_k_pp", pa.array(values))
                pq.write_table(table, path)
            inputs.append(path)
            labels.append({**label, "set": name})
    pooled = tmp_path / "pooled.parquet"
    pool_tables(COLUMNS["perplexity"], inputs, labels, pooled, optional=OPTIONAL["perplexity"])
    return read_results(PooledFiles(made_results.pooled(tmp_path, "completions"), pooled, {}), [])


def test_runs_with_scores_on_both_sets_have_a_row(results):
    table = membership(results, [("seen", "unseen")], 0.95)
    assert table[["known", "unseen", "run", "dataset"]].values.tolist() == [
        ["seen", "unseen", "tiny_hep-th_all", "hep-th"]
    ]
    known, unseen = (results.values[name]["min_k_pp", "tiny_hep-th_all"].to_numpy() for name in ("seen", "unseen"))
    assert table["auc"][0] == pytest.approx(scipy.stats.mannwhitneyu(known, unseen).statistic / 900)
    shown = membership_layout(table)
    assert shown["Set"][0] == "seen against unseen" and shown["Texts"][0] == "30 + 30"
    assert membership(results, [], 0.95).empty and membership_layout(membership(results, [], 0.95)).empty


def test_the_score_is_a_quantity_where_it_was_asked_for(results, tmp_path):
    assert "min_k_pp" in [quantity.name for quantity in results.quantities]
    assert results.values["unseen"]["min_k_pp"]["tiny_base"].isna().all()
    made_results.make_results(tmp_path / "other")
    assert "min_k_pp" not in [quantity.name for quantity in made_results.read_made(tmp_path / "other").quantities]


def test_a_pooled_table_without_scores_has_its_fixed_columns(tmp_path):
    made_results.make_results(tmp_path)
    path = tmp_path / f"perplexity/unseen/{made_results.RUNS[0]['run']}.parquet"
    pool_tables(COLUMNS["perplexity"], [path], made_results.RUNS[:1], tmp_path / "p.parquet", None, ["min_k_pp"])
    assert pd.read_parquet(tmp_path / "p.parquet").columns[-1] == "bits_per_byte"
