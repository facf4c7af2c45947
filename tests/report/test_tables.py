import csv
import math
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from feyntune.config.schema.report import TablesStage, Uncertainty
from feyntune.core.errors import FeynTuneError
from feyntune.core.fingerprint import SCRIPTS
from feyntune.evaluation.metrics import RESERVED, SUFFIXES
from feyntune.report.outputs import TABLES, table_files
from feyntune.report.results import Quantity, Results
from feyntune.report.summaries import comparisons, corpus, distributions, summary
from feyntune.report.tables import summary_layout, write_tables
from feyntune.report.typeset import (
    decimals,
    fraction,
    html_table,
    interval,
    interval_decimals,
    number,
    p_value,
    write_formats,
)
from support import made_results
from support.programs import load_program

FEW = Uncertainty(resamples=199)
LAYERS = [("all", "qkv")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")
    made_results.make_results(folder)
    return folder


@pytest.fixture(scope="module")
def results(folder):
    return made_results.read_made(folder)


def results_of(values, better="lower", layers=("base", "all", "qkv")):
    """Results of runs of one model on one dataset, given as columns of one quantity."""
    runs = [("s", run, "m", None if kind == "base" else "d", kind) for run, kind in zip(values, layers, strict=True)]
    wide = pd.DataFrame({("x", run): column for run, column in values.items()})
    frame = pd.DataFrame(runs, columns=["set", "run", "model", "dataset", "layers"])
    return Results(frame, [Quantity("x", "X", better)], {"s": wide}, {})


def test_runs_and_quantities_are_in_the_configurations_order(results):
    table = distributions(results, FEW, seed=0)
    assert list(dict.fromkeys(table["run"])) == [run["run"] for run in made_results.RUNS]
    assert table.loc[table["run"] == "tiny_base", "quantity"].tolist() == [
        "perplexity", "bits_per_byte", "semscore", "semscore_continuation", "new_tokens", "stopped_by_length",
    ]  # fmt: skip


def test_a_run_without_a_model_has_only_what_was_scored(results):
    table = distributions(results, FEW, seed=0).set_index(["run", "quantity"])
    assert "perplexity" not in table.loc["elsewhere"].index
    assert table.loc[("elsewhere", "semscore_continuation"), "n"] == 29


def test_distributions_are_those_of_describe(results):
    row = distributions(results, FEW, seed=0).set_index(["run", "quantity"]).loc[("tiny_base", "new_tokens")]
    assert row[["n", "mean", "min", "25%", "50%", "75%", "max"]].tolist() == [30, 15.5, 1, 8.25, 15.5, 22.75, 30]
    assert row["std"] == pytest.approx(math.sqrt(sum((k - 15.5) ** 2 for k in range(1, 31)) / 29))


def test_corpus_perplexity_weighs_abstracts_by_their_tokens():
    columns = {("nll", "r"): [2.0, 30.0], ("tokens", "r"): [2.0, 10.0], ("bytes", "r"): [8.0, 40.0]}
    results = Results(pd.DataFrame(), [], {}, {"s": pd.DataFrame(columns)})
    row = corpus(results, FEW, seed=0).loc[("s", "r")]
    assert row["corpus_perplexity"] == pytest.approx(math.exp(32 / 12))
    assert row["corpus_bits_per_byte"] == pytest.approx(32 / 48 / math.log(2))
    assert row["corpus_perplexity_low"] == pytest.approx(math.exp(1))
    assert row["corpus_perplexity_high"] == pytest.approx(math.exp(3))


def test_the_summary_has_a_row_for_every_run(results):
    table = summary(results, distributions(results, FEW, 0), corpus(results, FEW, 0))
    assert table["run"].tolist() == [run["run"] for run in made_results.RUNS]
    assert table["stopped_by_length"].tolist() == pytest.approx([0.2] * 4 + [math.nan], nan_ok=True)
    shown = summary_layout(table, results.quantities)
    assert shown["Stopped by length"].tolist() == ["20.0%"] * 4 + ["–"]  # unknown, where completions are imported
    assert table["perplexity"].isna().tolist() == [False] * 4 + [True]


def test_pairs_are_runs_with_their_base_and_layer_sets_with_each_other(results):
    table = comparisons(results, LAYERS, FEW, seed=0)
    pairs = {
        quantity: list(zip(rows["run"], rows["against"], strict=True)) for quantity, rows in table.groupby("quantity")
    }
    trained = [("tiny_hep-th_all", "tiny_base"), ("tiny_hep-th_qkv", "tiny_base"), ("published", "tiny_base")]
    layers = [("tiny_hep-th_all", "tiny_hep-th_qkv")]
    assert pairs["perplexity"] == trained + layers
    assert pairs["semscore_continuation"] == [*trained, ("elsewhere", "tiny_base"), *layers]
    assert "new_tokens" not in pairs


def test_on_a_set_only_runs_that_are_evaluated_on_it_are_compared():
    one = results_of({"base": [1.0, 2.0, 3.0], "all": [2.0, 2.0, 2.0], "qkv": [1.0, 1.0, 1.0]})
    two = results_of({"base": [4.0, 5.0], "theirs": [3.0, 3.0], "qkv": [5.0, 9.0]})
    runs = pd.concat([one.runs, two.runs.assign(set="t")], ignore_index=True)
    both = Results(runs, one.quantities, {"s": one.values["s"], "t": two.values["s"]}, {})
    table = comparisons(both, LAYERS, FEW, seed=0)
    assert list(zip(table["set"], table["run"], table["against"], table["difference"], strict=True)) == [
        ("s", "all", "base", 0), ("s", "qkv", "base", -1), ("s", "all", "qkv", 1),
        ("t", "theirs", "base", -1.5), ("t", "qkv", "base", 2.5), ("t", "theirs", "qkv", -4),
    ]  # fmt: skip
    assert set(table["comparisons"]) == {3}


def test_a_comparison_by_hand():
    values = {"base": [10.0, 20.0, 30.0, 40.0], "all": [9.0, 18.0, 30.0, 43.0], "qkv": [9.0, 19.0, 31.0, 44.0]}
    table = comparisons(results_of(values), LAYERS, FEW, seed=0).set_index(["run", "against"])
    row = table.loc[("all", "base")]
    assert row[["abstracts", "difference", "wins", "ties", "loses"]].tolist() == [4, 0, 0.5, 0.25, 0.25]
    assert row["p"] == 1
    assert table.loc[("all", "qkv"), "difference"] == -0.75
    higher = comparisons(results_of(values, better="higher"), LAYERS, FEW, seed=0).set_index(["run", "against"])
    assert higher.loc[("all", "base"), ["wins", "loses"]].tolist() == [0.25, 0.5]


def test_p_values_are_corrected_for_the_comparisons_of_a_quantity():
    values = {
        "base": [10.0 + k for k in range(12)],
        "all": [9.0 + k for k in range(12)],
        "qkv": [9.5 + k for k in range(12)],
    }
    table = comparisons(results_of(values), LAYERS, FEW, seed=0)
    assert (table["p"] < 0.02).all()
    assert table["p_holm"].tolist() == pytest.approx([min(3 * p, 1) for p in [table["p"].min()] * 3], abs=0.03)
    assert (table["p_holm"] > table["p"]).any()


def test_nothing_to_compare_gives_an_empty_table():
    table = comparisons(results_of({"one": [1.0, 2.0]}, layers=["all"]), LAYERS, FEW, seed=0)
    assert table.empty
    assert "p_holm" in table


def test_runs_without_a_common_abstract_are_an_error():
    nan = math.nan
    results = results_of({"base": [1.0, 2.0, nan, nan], "all": [nan, nan, 1.0, 2.0]}, layers=["base", "all"])
    with pytest.raises(FeynTuneError, match="x on s: all and base have no abstract in common"):
        comparisons(results, LAYERS, FEW, seed=0)


def test_tables_have_the_same_bytes_twice(folder, results, tmp_path):
    stage = TablesStage(seed=1, uncertainty=FEW, compared_layers=LAYERS)
    for name in ("one", "two"):
        write_tables(results, made_results.pooled(folder, "similarity"), stage, tmp_path / name)
    for path in map(Path, table_files(tmp_path / "one")):
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()
    assert sorted(path.name for path in (tmp_path / "one").iterdir()) == sorted(
        f"{table}.{suffix}" for table in TABLES for suffix in ("csv", "tex", "html")
    )


def test_the_terminal_shows_each_run_and_where_the_report_is(folder, results, tmp_path):
    stage = TablesStage(seed=1, uncertainty=FEW, compared_layers=LAYERS)
    write_tables(results, made_results.pooled(folder, "similarity"), stage, tmp_path / "tables")
    command = [sys.executable, SCRIPTS / "print_summary.py", "--results", tmp_path]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    with open(tmp_path / "tables/summary.csv") as file:
        rows = {row["run"]: row for row in csv.DictReader(file)}
    base = next(line for line in shown.splitlines() if "tiny_base" in line)
    assert f"{float(rows['tiny_base']['perplexity']):.1f} [" in base
    assert next(line for line in shown.splitlines() if "elsewhere" in line).split()[2] == "–"
    assert f"{tmp_path}/report.html" in shown


def test_the_summary_marks_what_is_better_and_worse_than_the_base_model():
    summary = load_program("print_summary")
    rows = [
        {"run": "base", "model": "m", "dataset": ""},
        {"run": "a", "model": "m", "dataset": "d"},
        {"run": "imported", "model": "", "dataset": ""},
    ]
    quantities = {"perplexity": {"better": "lower"}, "rouge": {"better": "higher"}, "novelty": {"better": "lower"}}

    def pair(quantity, difference, p, against="base"):
        values = {"against": against, "quantity": quantity, "difference": difference, "p_holm": p}
        return {"set": "s", "run": "a", **values}

    pairs = [
        pair("perplexity", "-1.5", "0.01"),
        pair("rouge", "-0.2", "0.001"),
        pair("novelty", "-1", "0.05"),
        pair("rouge", "0.2", "0.001", against="imported"),
        pair("unknown", "1", "0"),
    ]
    found = summary.against_base(rows, pairs, quantities)
    assert found == {("s", "a", "perplexity"): "better", ("s", "a", "rouge"): "worse"}


@pytest.mark.parametrize(
    ("environment", "platform", "expected"),
    [
        ({"DISPLAY": ":0"}, "linux", True),
        ({"WAYLAND_DISPLAY": "w"}, "linux", True),
        ({}, "linux", False),
        ({}, "darwin", True),
        ({"CI": "true"}, "darwin", False),
        ({"DISPLAY": ":10", "SSH_CONNECTION": "a b"}, "linux", False),
    ],
)
def test_the_report_is_opened_only_on_a_desktop(environment, platform, expected):
    assert load_program("print_summary").desktop(environment, platform) == expected


@pytest.mark.parametrize(
    ("values", "expected"),
    [([12.3456], 2), ([0.01234], 5), ([8.9, 10.2, 11.0], 2), ([123456.0], 0), ([0.0, math.nan], 3)],
)
def test_decimals_suit_a_typical_value(values, expected):
    assert decimals(values) == expected


@pytest.mark.parametrize(
    ("values", "lows", "highs", "expected"),
    [
        # Half a width of 0.16 for the surest run: one decimal for all.
        ([27.46, 3.17, 9.10], [23.95, 3.02, 8.07], [31.38, 3.34, 10.34], 1),
        ([0.18892, -0.0919], [0.16186, -0.1125], [0.21615, -0.0705], 2),
        ([0.0, 0.0], [0.0, 0.0], [0.0, 0.0], 2),
        ([1234.5], [1134.5], [1334.5], 0),
        # Never more than four digits of a typical mean.
        ([12.3456], [12.34559], [12.34561], 2),
        ([7.333], [math.nan], [math.nan], 2),
    ],
)
def test_decimals_of_a_column_follow_its_narrowest_interval(values, lows, highs, expected):
    assert interval_decimals(values, lows, highs) == expected


def test_hints_are_titles_of_columns_and_cells():
    html = html_table(pd.DataFrame({"Quantity": ["rep-4"], "rep-4": ["0.1"]}), {"rep-4": 'how "often" <b>'})
    assert '<th class="number" title="how &#34;often&#34; &lt;b&gt;">rep-4</th>' in html
    assert '<td title="how &#34;often&#34; &lt;b&gt;">rep-4</td>' in html
    assert "title" not in html_table(pd.DataFrame({"Quantity": ["rep-4"]}))


def test_intervals_are_not_broken_into_lines():
    assert "0.1 [0.0,\N{NO-BREAK SPACE}0.2]<" in html_table(pd.DataFrame({"x": ["0.1 [0.0, 0.2]"]}))


def test_numbers_as_people_read_them():
    assert number(1234.5, 1) == "1,234.5"
    assert number(math.nan, 1) == "–"
    assert interval(10.0, 9.5, 10.25, 2) == "10.00 [9.50, 10.25]"
    assert interval(10.0, math.nan, math.nan, 1) == "10.0"
    assert (fraction(0.1234), p_value(0.0004), p_value(0.0123)) == ("12.3%", "<0.001", "0.012")


def test_signs_of_latex_and_of_html_are_escaped(tmp_path):
    exact = pd.DataFrame({"run": ["a_b"], "x": [1 / 3]})
    shown = pd.DataFrame({"Run": ["<b>a_b</b> & \\x"], "Wins": ["50%"]})
    write_formats(tmp_path / "table", exact, shown, "A caption.")
    assert (tmp_path / "table.csv").read_text() == "run,x\na_b,0.33333333\n"
    latex = (tmp_path / "table.tex").read_text()
    assert r"$<$b$>$a\_b$<$/b$>$ \& \textbackslash{}x & 50\% \\" in latex
    assert latex.splitlines()[0] == "% A caption."
    html = (tmp_path / "table.html").read_text()
    assert "<td>&lt;b&gt;a_b&lt;/b&gt; &amp; \\x</td>" in html
    assert '<td class="number">50%</td>' in html


def test_a_set_on_which_no_run_has_a_perplexity_is_in_the_tables(tmp_path):
    made_results.make_results(tmp_path, count=8, runs=[*made_results.RUNS, {**made_results.RUNS[4], "set": "theirs"}])
    results = made_results.read_made(tmp_path)
    table = summary(results, distributions(results, FEW, 0), corpus(results, FEW, 0))
    row = table[table["set"] == "theirs"].iloc[0]
    assert math.isnan(row["perplexity"]) and row["semscore"] > 0
    assert table["corpus_perplexity"].notna().sum() == 4
    assert corpus(results_of({"a": [1.0]}, layers=("base",)), FEW, 0).shape == (0, 10)


def test_no_metric_can_be_called_like_a_column_of_the_tables(results):
    table = summary(results, distributions(results, FEW, 0), corpus(results, FEW, 0))
    of_tables = {name for name in table.columns if not name.startswith("semscore")}
    of_tables |= {name for tokens in results.tokens.values() for name in tokens.columns.levels[0]}
    assert of_tables <= {f"{name}{suffix}" for name in RESERVED for suffix in SUFFIXES}
    assert {"marks", "tokens", "bytes"} < of_tables
