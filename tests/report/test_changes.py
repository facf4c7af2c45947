"""Changes in bits per byte against the base model, on sets of abstracts and of plain texts."""

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from feyntune.config.schema.report import FiguresStage, TablesStage, Uncertainty
from feyntune.report.changes import COLUMNS, changes, changes_layout
from feyntune.report.figures.changes import changes_figure
from feyntune.report.figures.gallery import FigureSources, draw_figures
from feyntune.report.findings import findings
from feyntune.report.page.side_by_side import sampled_abstracts
from feyntune.report.tables import write_tables
from support import made_results


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder of results on a set of abstracts and one of plain texts, with tables."""
    folder = tmp_path_factory.mktemp("results")
    made_results.make_results(folder, text_sets=["wiki"])
    results = made_results.read_made(folder)
    stage = TablesStage(seed=0, uncertainty=Uncertainty(resamples=199), compared_layers=[("all", "qkv")])
    write_tables(results, made_results.pooled(folder, "similarity"), stage, folder / "tables")
    return folder, results


def bits(folder, name, run):
    return pq.read_table(folder / f"perplexity/{name}/{run}.parquet")["bits_per_byte"].to_numpy()


def test_every_run_has_its_change_on_every_set(made):
    folder, _ = made
    table = pd.read_csv(folder / "tables/changes.csv")
    assert list(zip(table["set"], table["run"], strict=True)) == [
        (name, run) for name in ("unseen", "wiki") for run in ("tiny_hep-th_all", "tiny_hep-th_qkv", "published")
    ]
    for row in table.itertuples():
        base, own = bits(folder, row.set, "tiny_base"), bits(folder, row.set, row.run)
        assert row.difference == pytest.approx(np.mean(own - base), rel=1e-6)
        assert row.relative == pytest.approx(np.mean(own - base) / np.mean(base), rel=1e-6)
        assert row.low <= row.difference <= row.high
    assert (table.loc[table["set"] == "unseen", "difference"] < 0).all()
    assert (table.loc[table["set"] == "wiki", "difference"] > 0).all()


def test_people_see_the_change_also_relative_to_the_base_model(made):
    folder, _ = made
    table = pd.read_csv(folder / "tables/changes.csv")
    shown = changes_layout(table)
    assert len(shown) == 6 and shown["Change"].str.contains(r"^-?0\.\d+ \[", regex=True).all()
    assert shown["Relative"].tolist() == [f"{100 * value:.1f}%" for value in table["relative"]]
    assert changes_layout(pd.DataFrame(columns=list(COLUMNS))).empty


def test_the_heat_map_has_a_number_for_each_change(made):
    folder, _ = made
    table = pd.read_csv(folder / "tables/changes.csv")
    table.loc[0, "p_holm"] = 0.2
    axis = changes_figure(table).axes[0]
    assert [label.get_text() for label in axis.get_xticklabels()] == ["unseen", "wiki"]
    texts = [text.get_text() for text in axis.texts]
    assert len(texts) == 6 and texts[0] == f"({table['difference'][0]:+.3f})"
    assert len(changes_figure(table[:0]).axes) == 0


def test_sets_of_plain_texts_have_no_panels_or_findings_of_completions(made, tmp_path):
    folder, results = made
    sources = FigureSources(folder / "tables", [], [], [], folder / "costs")
    draw_figures(results, sources, FiguresStage(seed=0, heatmap_rows=10), tmp_path)
    svg = (tmp_path / "intervals.svg").read_text()
    assert "<!-- Perplexity on wiki -->" in svg and "<!-- of continuation on unseen -->" in svg
    assert "<!-- of continuation on wiki -->" not in svg
    means, compared = (pd.read_csv(folder / f"tables/{name}.csv") for name in ("distributions", "comparisons"))
    found = [(each.set, each.title) for each in findings(results, means, compared)]
    assert [title for name, title in found if name == "wiki"] == ["Perplexity"]
    abstracts = sampled_abstracts(made_results.pooled(folder, "completions"), results, count=2, seed=0)
    assert [abstract.set for abstract in abstracts] == ["unseen"] * 2


def test_runs_without_a_base_model_have_no_change():
    table = pd.DataFrame({"set": ["s"], "run": ["a"], "against": ["b"], "quantity": ["bits_per_byte"]})
    empty = changes(
        table.assign(abstracts=3, difference=0.1, low=0.0, high=0.2, p_holm=1.0),
        pd.DataFrame({"set": [], "run": [], "quantity": [], "mean": []}),
        pd.DataFrame({"run": ["a", "b"], "layers": ["all", "qkv"]}),
    )
    assert list(empty) == list(COLUMNS) and empty.empty
