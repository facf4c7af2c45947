"""What `make demo` must show: fine-tuning on hep-th clearly helps on unseen hep-th abstracts."""

import json

import pandas
import pytest

from support.workspace import PROJECT

SUMMARY = PROJECT / "results/tables/summary.csv"
pytestmark = pytest.mark.skipif(not SUMMARY.is_file(), reason="run `make demo` first")


@pytest.fixture
def summary():
    """One row a run."""
    return pandas.read_csv(SUMMARY).set_index("run")


@pytest.mark.parametrize("layers", ["all", "qkv"])
def test_the_run_on_hep_th_is_better_than_the_base_model(summary, layers):
    base, tuned = summary.loc["tiny_base"], summary.loc[f"tiny_hep-th_{layers}"]
    assert tuned["perplexity"] < 0.7 * base["perplexity"]
    assert tuned["perplexity_high"] < base["perplexity_low"]
    for metric in ("semscore", "jina"):
        assert tuned[f"{metric}_continuation"] > base[f"{metric}_continuation"]


def test_the_evaluated_abstracts_were_not_trained_on():
    ids = {
        split: set(pandas.read_parquet(PROJECT / f"results/datasets/hep-th/{split}.parquet")["id"])
        for split in ("train", "test", "validation")
    }
    judged = set(pandas.read_parquet(PROJECT / "results/perplexity/all.parquet")["id"])
    assert judged <= ids["test"]
    assert not ids["train"] & (ids["test"] | ids["validation"])


def test_the_base_model_was_not_trained_on_hep_th():
    settings = json.loads((PROJECT / "results/logs/demo/model.log").read_text().split("--settings '")[1].split("'")[0])
    assert settings["without"] == ["hep-th"]
