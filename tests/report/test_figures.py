from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from feyntune.config.schema.report import FiguresStage, TablesStage, Uncertainty
from feyntune.report.figures.cosines import clustered_order, sample_matrices
from feyntune.report.figures.gallery import FigureSources, draw_figures
from feyntune.report.figures.quantities import differences_figure, intervals_figure
from feyntune.report.figures.rows import draw_ridges
from feyntune.report.figures.style import appearances, new_figure
from feyntune.report.figures.time import read_benchmarks, time_figure
from feyntune.report.outputs import figure_files
from feyntune.report.tables import write_tables
from support import made_results


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder of results with tables, and what was read from it."""
    folder = tmp_path_factory.mktemp("results")
    made_results.make_results(folder)
    made_results.make_adapters(folder)
    made_results.make_matrices(folder)
    made_results.make_benchmarks(folder)
    results = made_results.read_made(folder)
    uncertainty = Uncertainty(resamples=199)
    stage = TablesStage(seed=0, uncertainty=uncertainty, compared_layers=[])
    write_tables(results, made_results.pooled(folder, "similarity"), stage, folder / "tables")
    return folder, results


def draw(made, output, history="*/history.parquet", matrices="*.pt", benchmarks="**/*.tsv"):
    folder, results = made
    sources = FigureSources(
        tables=folder / "tables",
        history=sorted((folder / "adapters").glob(history)),
        matrices=sorted((folder / "similarity/unseen").glob(matrices)),
        benchmarks=sorted((folder / "costs").glob(benchmarks)),
        costs=folder / "costs",
    )
    draw_figures(results, sources, FiguresStage(seed=0, heatmap_rows=10, gpus={"train": 1}), output)
    return {Path(path).name: Path(path).read_bytes() for path in figure_files(output)}


def test_every_figure_is_drawn_with_the_same_bytes_twice(made, tmp_path):
    once, twice = draw(made, tmp_path / "one"), draw(made, tmp_path / "two")
    assert once == twice
    assert all(content.startswith((b"\x89PNG", b"<?xml")) for content in once.values())
    assert not any(b"matplotlib" in content.lower() for name, content in once.items() if name.endswith("png"))


def test_what_is_not_there_is_said_in_the_figure(made, tmp_path):
    full = draw(made, tmp_path / "full")
    empty = draw(made, tmp_path / "empty", history="none", matrices="none", benchmarks="none")
    for name in ("learning_curves.svg", "cosine_histograms.svg", "cosine_heatmaps.svg", "time.svg"):
        assert len(empty[name]) < len(full[name])
    assert empty["intervals.svg"] == full["intervals.svg"]


def test_error_bars_are_the_tables_intervals(made):
    folder, results = made
    table = pd.read_csv(folder / "tables/distributions.csv")
    axis = intervals_figure(results, table).axes[0]
    rows = table[table["quantity"] == "perplexity"].set_index("run")
    assert [label.get_text() for label in axis.get_yticklabels()] == [run["run"] for run in made_results.RUNS]
    bars = {line.get_ydata()[0]: list(line.get_xdata()) for line in axis.lines if len(line.get_xdata()) == 2}
    marks = {line.get_ydata()[0]: line.get_xdata()[0] for line in axis.lines if len(line.get_xdata()) == 1}
    for place, run in enumerate(made_results.WITH_MODEL):
        assert bars[place] == rows.loc[run["run"], ["low", "high"]].tolist()
        assert marks[place] == rows.loc[run["run"], "mean"]
    assert len(marks) == 4


def test_marks_are_hollow_where_chance_may_explain_a_difference(made):
    folder, results = made
    table = pd.read_csv(folder / "tables/comparisons.csv")
    table["p_holm"] = np.where(table["run"] == "published", 0.2, 0.01)
    axis = differences_figure(results, table).axes[0]
    faces = [line.get_markerfacecolor() for line in axis.lines if line.get_marker() not in ("None", "")]
    assert faces == ["#0072B2", "#E69F00", "white"]
    labels = [label.get_text() for label in axis.get_yticklabels()]
    assert labels[:3] == ["tiny_hep-th_all − base", "tiny_hep-th_qkv − base", "published − base"]


def test_hills_stand_on_their_rows_and_no_higher():
    axis = new_figure(3, 2).subplots()
    draw_ridges(axis, [np.array([1.0, 1.0, 2.0]), np.array([])], [("#000000", "o")] * 2, np.array([0.5, 1.5, 2.5]))
    hill = axis.patches[0].get_data()
    assert hill.values.tolist() == pytest.approx([0.4 - 0.85, 0.4 - 0.85 / 2])
    assert len(axis.lines) == 1
    assert axis.lines[0].get_xdata()[0] == 1.0


def test_like_abstracts_stand_together():
    groups = np.array([0, 1, 0, 1, 0, 1, 1])
    order = clustered_order(np.where(groups[:, None] == groups[None, :], 0.9, 0.1))
    assert len(set(groups[order][:3])) == 1
    assert sorted(order) == list(range(7))
    assert clustered_order(np.ones((2, 2))).tolist() == [0, 1]


def test_a_sample_takes_the_same_abstracts_of_every_matrix(made):
    folder, _ = made
    paths = {("unseen", run): folder / f"similarity/unseen/{run}.pt" for run in ("tiny_base", "published")}
    one, other = sample_matrices(paths, rows=10, seed=0).values()
    assert one.matrix.shape == (10, 10)
    assert (one.matrix == other.matrix).all()
    assert one.extent == "10 of 30 abstracts, at random"
    assert sample_matrices(paths, rows=30, seed=0)["unseen", "published"].extent == "30 abstracts"


def test_every_layer_set_has_a_look_of_its_own():
    looks = appearances(["base", "all", "qkv", "mlp", "attention", None, float("nan")])
    assert set(looks) == {"base", "all", "qkv", "mlp", "attention", None}
    assert len({marker for _, marker in looks.values()}) == len(looks)


def test_time_is_summed_by_stage(tmp_path):
    for place, seconds in (("train/a", 3000.5), ("train/b", 4199.5), ("perplexity/a", 30.0), ("fetch", 2.0)):
        path = tmp_path / f"{place}.tsv"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"s\th:m:s\n{seconds}\t0:00:00\n")
    stages = read_benchmarks([*sorted(tmp_path.glob("**/*.tsv")), tmp_path / "train/lost.tsv"], tmp_path)
    trained = {"train/a": 3000.5, "train/b": 4199.5}
    assert stages == {"fetch": {"fetch": 2.0}, "perplexity": {"perplexity/a": 30.0}, "train": trained}
    texts = [text.get_text() for text in time_figure(stages, {"train": 3}).axes[1].texts]
    assert texts == ["", "", "6.0 h"]
    own = time_figure(stages, {"train": 3, "train/b": 1}).axes[1].texts
    assert own[-1].get_text() == "3.7 h"  # a run's own number of GPUs wins
    assert len(time_figure(stages, {}).axes) == 1
