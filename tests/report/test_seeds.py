"""Groups of runs in tables, findings and figures: by hand, and from made-up results."""

import dataclasses
import math
import statistics

import numpy as np
import pandas as pd
import pytest

from feyntune.config.schema.report import FiguresStage, Group, PageStage, TablesStage, Uncertainty
from feyntune.report.figures.gallery import FigureSources, draw_figures
from feyntune.report.figures.quantities import intervals_figure
from feyntune.report.figures.sweep import sweep_figure
from feyntune.report.group_layouts import seed_comparisons_layout, seeds_layout, sweep_layout
from feyntune.report.outputs import SWEEP, figure_files, figure_names, table_files, table_names
from feyntune.report.page.content import PageSources, page_content
from feyntune.report.page.render import render
from feyntune.report.results import Quantity, Results
from feyntune.report.seed_findings import group_findings, single_seed_line
from feyntune.report.seeds import BOTH, grouped, seed_comparisons, seeds_table, settings_by_run
from feyntune.report.summaries import comparisons, distributions
from feyntune.report.sweep import sweep_table
from feyntune.report.tables import write_tables
from support import made_results
from support.programs import call

FEW = Uncertainty(resamples=199)
LAYERS = [("all", "qkv")]
COUNT = 12


def group(name, runs, seeds=(), **varied):
    return Group(
        name=name, runs=list(runs), seeds=list(seeds), varied={key.replace("__", "."): v for key, v in varied.items()}
    )


GROUPS = [
    group("base", ["base"]),
    group("all", ["all_s1", "all_s2", "all_s3"], [1, 2, 3]),
    group("qkv", ["qkv_s1", "qkv_s2", "qkv_s3"], [1, 2, 3]),
]


def results_of(values, layers, direction="lower"):
    """Results of runs of one model and dataset; ``layers`` by run."""
    runs = [("s", run, "m", None if layers[run] == "base" else "d", layers[run]) for run in values]
    wide = pd.DataFrame({("x", run): column for run, column in values.items()})
    frame = pd.DataFrame(runs, columns=["set", "run", "model", "dataset", "layers"])
    return Results(frame, [Quantity("x", "X", direction, headline=True)], {"s": wide}, {})


def values_of(seed=0, shift=3.0, spread=0.1):
    """A base run, and two groups of three seeds of which one has values that are lower by ``shift``."""
    rng = np.random.default_rng(seed)
    hard = 10 + rng.standard_normal(COUNT)
    values = {"base": hard}
    for name, change in (("all", shift), ("qkv", shift + 0.01)):
        for number in (1, 2, 3):
            luck = spread * rng.standard_normal()
            values[f"{name}_s{number}"] = hard - change + luck + 0.05 * rng.standard_normal(COUNT)
    return values


def tables_of(values, groups=GROUPS, layers=None):
    results = results_of(values, layers or {run: run.split("_")[0] for run in values})
    described = distributions(results, FEW, 0)
    seeds = seeds_table(results, groups, described, 0.95)
    compared = comparisons(results, LAYERS, FEW, 0, settings_by_run(groups))
    pairs = seed_comparisons(results, groups, LAYERS, compared, 0.95)
    return results, seeds, pairs, described, compared


def test_intervals_end_where_values_must_end():
    """One of ten texts is cut off, under each of two seeds: a t interval of the mean 0.1 begins below zero."""
    cut = np.eye(10)[0]
    values = {"a_s1": cut, "a_s2": cut}
    unbounded = results_of(values, dict.fromkeys(values, "all"))
    fraction = dataclasses.replace(unbounded.quantities[0], lowest=0, highest=1)
    bounded = dataclasses.replace(unbounded, quantities=[fraction])
    groups = [group("a", list(values), [1, 2])]
    before, after = (
        seeds_table(each, groups, distributions(each, FEW, 0), 0.95).iloc[0] for each in (unbounded, bounded)
    )
    assert before["low"] < 0 and after["low"] == 0
    assert after["high"] == before["high"] and after["mean"] == before["mean"] == pytest.approx(0.1)
    falling = dataclasses.replace(unbounded, values={"s": 1 - unbounded.values["s"]}, quantities=[fraction])
    assert seeds_table(falling, groups, distributions(falling, FEW, 0), 0.95).iloc[0]["high"] == 1


def test_a_group_has_the_mean_over_seeds_and_their_spread():
    values = values_of()
    _, seeds, _, described, _ = tables_of(values)
    row = seeds.set_index("group").loc["all"]
    means = [statistics.fmean(values[f"all_s{number}"]) for number in (1, 2, 3)]
    assert row["mean"] == pytest.approx(statistics.fmean(means))
    assert row["spread"] == pytest.approx(statistics.stdev(means))
    assert (row["seeds"], row["declared_seeds"], row["abstracts"], row["sources"]) == (3, 3, COUNT, BOTH)
    assert row["low"] < row["mean"] < row["high"]
    base, alone = seeds.set_index("group").loc["base"], described.set_index("run").loc["base"]
    assert base[["mean", "low", "high"]].tolist() == alone[["mean", "low", "high"]].tolist()
    assert (base["seeds"], base["sources"], math.isnan(base["spread"])) == (1, "abstracts", True)


def test_abstracts_that_a_seed_lacks_do_not_count_and_a_seed_without_values_is_absent():
    values = values_of()
    values["all_s1"][0] = math.nan
    values["qkv_s2"] = np.full(COUNT, math.nan)
    results, seeds, pairs, _, _ = tables_of(values)
    rows = seeds.set_index("group")
    assert rows.loc["all", "abstracts"] == COUNT - 1
    assert rows.loc["qkv", ["seeds", "declared_seeds"]].tolist() == [2, 3]
    assert rows.loc["qkv", "runs"] == "qkv_s1 qkv_s3"
    assert seeds_layout(seeds, results.quantities)["Seeds"].tolist() == ["1", "3", "2 of 3"]
    (finding,) = group_findings(results, GROUPS, *(each.rename(columns={"group": "run"}) for each in (seeds, pairs)))
    assert "qkv has results of 2 of its 3 seeds." in finding.sentences


def test_groups_are_compared_with_the_base_and_with_each_other():
    values = values_of()
    _, _, pairs, _, compared = tables_of(values)
    rows = pairs.set_index(["group", "against"])
    assert list(rows.index) == [("all", "base"), ("qkv", "base"), ("all", "qkv")]
    against_base = rows.loc[("all", "base")]
    means = [statistics.fmean(values[f"all_s{k}"] - values["base"]) for k in (1, 2, 3)]
    assert against_base["difference"] == pytest.approx(statistics.fmean(means))
    assert against_base["spread"] == pytest.approx(statistics.stdev(means))
    assert against_base["p_holm"] < 0.05 and not against_base["within_spread"]
    between = rows.loc[("all", "qkv")]
    others = [statistics.fmean(values[f"qkv_s{k}"]) for k in (1, 2, 3)]
    own = [statistics.fmean(values[f"all_s{k}"]) for k in (1, 2, 3)]
    assert between["spread"] == pytest.approx(math.hypot(statistics.stdev(own), statistics.stdev(others)))
    assert between["within_spread"] == (abs(between["difference"]) < between["spread"])
    assert (rows["comparisons"] == 3).all() and (rows["p_holm"] >= rows["p"]).all()
    one_by_one = set(zip(compared["run"], compared["against"], strict=True))
    assert {pair for pair in one_by_one if pair[1] != "base"} == {(f"all_s{k}", f"qkv_s{k}") for k in (1, 2, 3)}


def test_layer_sets_are_compared_at_equal_settings_only():
    groups = [group("base", ["base"])]
    groups += [
        group(f"{name}_{rank}", [f"{name}_{rank}"], [42], lora__r=rank) for name in ("all", "qkv") for rank in (2, 8)
    ]
    rng = np.random.default_rng(0)
    values = {each.name: 10 + rng.standard_normal(COUNT) for each in groups}
    _, _, pairs, _, compared = tables_of(values, groups)
    between = pairs[pairs["against"] != "base"]
    assert list(zip(between["group"], between["against"], strict=True)) == [("all_2", "qkv_2"), ("all_8", "qkv_8")]
    columns = ["difference", "low", "high", "p", "p_holm"]
    pd.testing.assert_frame_equal(pairs[columns].astype(float), compared[columns].astype(float))  # one seed: as today


def findings_of(values, groups=GROUPS):
    results, seeds, pairs, _, _ = tables_of(values, groups)
    (finding,) = group_findings(results, groups, *(each.rename(columns={"group": "run"}) for each in (seeds, pairs)))
    return finding.sentences


def test_findings_are_about_groups():
    first, *others = findings_of(values_of())
    assert first.startswith("Over 3 seeds: Training on d lowers it from ") and first.endswith("the lowest mean.")
    assert "Compared with the base model, both runs are better." in others
    assert any(
        each.startswith("Between its seeds, the mean of a run has a standard deviation of 0.") for each in others
    )


def test_a_difference_within_the_spread_is_called_so():
    sentences = findings_of(values_of(spread=2.0))
    (within,) = [each for each in sentences if each.startswith("Within the spread")]
    assert "all and qkv" in within
    assert not [each for each in findings_of(values_of(shift=50.0)) if "all and base" in each]


def test_groups_of_one_seed_are_told():
    assert single_seed_line(GROUPS) is None  # a base model has no seed
    names = [f"r{rank}" for rank in range(5)]
    line = single_seed_line([group(name, [name], [42], lora__r=1) for name in names])
    assert line.endswith("r0, r1, r2 and 2 more.")


def test_files_of_groups_belong_to_configurations_with_groups():
    assert "seeds" not in table_names([]) and SWEEP not in figure_names([])
    assert set(table_names(GROUPS)) - set(table_names([])) == {"seeds", "seed_comparisons"}
    assert figure_names(GROUPS) == figure_names([])
    varied = [group("a", ["a"], [42], lora__r=1)]
    assert set(table_names(varied)) - set(table_names([])) == {"seeds", "seed_comparisons", SWEEP}
    assert set(figure_names(varied)) - set(figure_names([])) == {SWEEP}


def swept(seeds=(1, 2), rates=(1e-4, 1e-2), ranks=(2, 8)):
    rng = np.random.default_rng(0)
    hard, groups, values = 10 + rng.standard_normal(COUNT), [group("base", ["base"])], {}
    values["base"] = hard
    for rank in ranks:
        for rate in rates:
            name = f"r{rank}_lr{rate:g}"
            groups.append(group(name, [f"{name}_s{k}" for k in seeds], seeds, lora__r=rank, training__lr=rate))
            for k in seeds:
                values[f"{name}_s{k}"] = hard - rank - 100 * rate + 0.1 * rng.standard_normal(COUNT)
    layers = {run: "base" if run == "base" else "all" for run in values}
    results, seeds_, pairs, _, _ = tables_of(values, groups, layers)
    return results, sweep_table(groups, seeds_, pairs, grouped(results, groups).runs)


def test_a_sweep_has_a_row_for_each_combination():
    results, table = swept()
    assert table[["lora.r", "training.lr"]].values.tolist() == [[2, 1e-4], [2, 1e-2], [8, 1e-4], [8, 1e-2]]
    assert table["x_difference"].round(0).tolist() == [-2, -3, -8, -9]
    assert (table["x_low"] < table["x"]).all() and table["seeds"].tolist() == [2] * 4
    shown = sweep_layout(table, results.quantities, ["lora.r", "training.lr"])
    assert shown.columns.tolist() == ["Run", "lora.r", "training.lr", "Seeds", "X"]
    assert shown["training.lr"].tolist() == ["0.0001", "0.01"] * 2


def test_the_figure_of_a_sweep_has_a_panel_for_each_setting_and_a_logarithmic_axis_over_decades():
    results, table = swept()
    figure = sweep_figure(table, results.headlines(), ["lora.r", "training.lr"])
    assert [(axis.get_xlabel(), axis.get_xscale()) for axis in figure.axes] == [
        ("lora.r", "linear"), ("training.lr", "log"),
    ]  # fmt: skip
    line = figure.axes[0].lines[0]
    of_line = table[table["training.lr"] == 1e-4]
    assert line.get_ydata().tolist() == of_line["x"].tolist()
    assert line.get_label() == "lr 0.0001"


def test_a_sweep_over_words_keeps_their_order():
    results, table = swept(rates=(1e-4,))
    words = table.rename(columns={"training.lr": "training.schedule.name"}).assign(**{"lora.r": ["linear", "cosine"]})
    (axis,) = sweep_figure(words, results.headlines(), ["lora.r", "training.schedule.name"]).axes
    assert [label.get_text() for label in axis.get_xticklabels()] == ["linear", "cosine"]
    assert not sweep_figure(table[:1], results.headlines(), ["lora.r"]).axes


def test_points_of_seeds_stand_below_the_interval_of_their_group():
    values = values_of()
    results, seeds, _, described, _ = tables_of(values)
    several = {run: each.name for each in GROUPS[1:] for run in each.runs}
    points = described[described["run"].isin(several)].assign(run=lambda table: table["run"].map(several))
    axis = intervals_figure(grouped(results, GROUPS), seeds.rename(columns={"group": "run"}), points).axes[0]
    assert [label.get_text() for label in axis.get_yticklabels()] == ["base", "all", "qkv"]
    drawn = [line.get_xdata()[0] for line in axis.lines if line.get_marker() == "."]
    assert drawn == points["mean"].tolist()


def test_intervals_over_abstracts_only_have_an_asterisk():
    results, seeds, pairs, _, _ = tables_of(values_of())
    assert [text.endswith("*") for text in seeds_layout(seeds, results.quantities)["Mean"]] == [True, False, False]
    shown = seed_comparisons_layout(pairs, results.quantities)
    assert shown["Seeds"].tolist() == ["3 − 1", "3 − 1", "3 − 3"]
    assert set(shown["Within the spread"]) <= {"yes", "no"}


RUNS = [
    made_results.RUNS[0],
    *(
        {"set": "unseen", "run": f"tiny_hep-th_all_s{k}", "model": "tiny", "dataset": "hep-th", "layers": "all"}
        for k in (1, 2)
    ),
]
MADE = [
    group("tiny_base", ["tiny_base"]),
    group("tiny_hep-th_all", ["tiny_hep-th_all_s1", "tiny_hep-th_all_s2"], [1, 2]),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")
    made_results.make_results(folder, runs=RUNS)
    stage = TablesStage(seed=0, uncertainty=FEW, compared_layers=LAYERS, groups=MADE)
    write_tables(made_results.read_made(folder), made_results.pooled(folder, "similarity"), stage, folder / "tables")
    return folder


def test_tables_of_groups_are_written_and_removed_when_there_are_none(folder, tmp_path):
    results = made_results.read_made(folder)
    for groups in (MADE, []):
        stage = TablesStage(seed=0, uncertainty=FEW, compared_layers=LAYERS, groups=groups)
        write_tables(results, made_results.pooled(folder, "similarity"), stage, tmp_path)
        assert sorted(map(str, tmp_path.iterdir())) == sorted(table_files(tmp_path, groups))


def test_the_summary_has_a_row_for_each_group(folder, capsys):
    call("print_summary", "--results", folder)
    said = capsys.readouterr().out
    (row,) = [line for line in said.splitlines() if "tiny_hep-th_all" in line]
    seeds = pd.read_csv(folder / "tables/seeds.csv").set_index(["group", "quantity"])
    assert "tiny_hep-th_all (2 seeds)" in row
    assert f"{seeds.loc[('tiny_hep-th_all', 'perplexity'), 'spread']:.2g}" in row
    assert "standard deviation between the means of the seeds" in said


def page_of(folder, output, groups):
    results = made_results.read_made(folder)
    sources = FigureSources(folder / "tables", [], [], [], folder / "costs")
    draw_figures(results, sources, FiguresStage(seed=0, heatmap_rows=2, groups=groups), output)
    page = PageSources(
        completions=made_results.pooled(folder, "completions"),
        tables=folder / "tables",
        figures=output,
        records=[],
        history=[],
        datasets=[],
        benchmarks=[],
        costs=folder / "costs",
        plan=folder / "plan.json",
    )
    return " ".join(render(page_content(results, page, PageStage(seed=0, abstracts=1, groups=groups))).split())


def test_the_page_says_how_intervals_over_seeds_were_made(folder, tmp_path):
    page = page_of(folder, tmp_path, MADE)
    assert "Over 2 seeds: " in page and "not a bootstrap" in page
    assert 'id="table-seeds"' in page and 'id="table-seed_comparisons"' in page and 'id="figure-sweep"' not in page
    assert sorted(map(str, tmp_path.iterdir())) == sorted(figure_files(tmp_path, MADE))
    plain = page_of(folder, tmp_path, [])
    assert "with bootstrap intervals" in plain and "seeds:" not in plain and 'id="table-seeds"' not in plain
