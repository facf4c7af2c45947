"""Caveats: tokenizers that differ, training data that nobody knows, runs that are not evaluated as their base is."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from feyntune.config.load import parse_configuration
from feyntune.config.reported import unlike_base
from feyntune.config.runs import resolve_runs
from feyntune.config.schema.report import TablesStage, Uncertainty
from feyntune.report.findings import findings
from feyntune.report.marks import footnote, marks_of, with_marks
from feyntune.report.pool import COLUMNS, pool_tables
from feyntune.report.results import PooledFiles, Quantity, Results, have_same_tokens, read_results
from feyntune.report.summaries import comparisons
from feyntune.report.tables import write_tables
from support import made_results
from support.config_examples import SMALL
from support.programs import load_program

FEW = Uncertainty(resamples=199)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")
    made_results.make_results(folder)
    return folder


def with_other_tokens(folder, output, run="published"):
    """Pooled results in which a run has another tokenizer: half as many tokens for the same text."""
    inputs = []
    for label in made_results.WITH_MODEL:
        table = pq.read_table(folder / f"perplexity/unseen/{label['run']}.parquet").to_pandas()
        if label["run"] == run:
            table["tokens"] = np.maximum(table["tokens"] // 2, 1)
            table["perplexity"] = np.exp(table["nll"] / table["tokens"])
        inputs.append(output / f"{label['run']}.parquet")
        pq.write_table(pa.Table.from_pandas(table, preserve_index=False), inputs[-1])
    pool_tables(COLUMNS["perplexity"], inputs, made_results.WITH_MODEL, output / "all.parquet")
    return read_results(PooledFiles(made_results.pooled(folder, "completions"), output / "all.parquet", {}), [])


def test_headlines_go_by_bytes_where_tokenizers_differ(folder, tmp_path):
    same = made_results.read_made(folder)
    assert [each.name for each in same.headlines()] == ["perplexity", "semscore_continuation"]
    other = with_other_tokens(folder, tmp_path)
    assert [each.name for each in other.headlines()] == ["bits_per_byte"]
    table = comparisons(other, [("all", "qkv")], FEW, seed=0)
    pairs = {name: set(zip(rows["run"], rows["against"], strict=True)) for name, rows in table.groupby("quantity")}
    assert ("published", "tiny_base") in pairs["bits_per_byte"]
    assert pairs["perplexity"] == pairs["bits_per_byte"] - {("published", "tiny_base")}


def test_the_findings_and_the_terminal_follow(folder, tmp_path, capsys, parse):
    results = with_other_tokens(folder, tmp_path)
    stage = TablesStage(seed=0, uncertainty=FEW, compared_layers=[])
    write_tables(results, made_results.pooled(folder, "similarity"), stage, tmp_path / "tables")
    means, compared = (pd.read_csv(tmp_path / f"tables/{name}.csv") for name in ("distributions", "comparisons"))
    assert [each.title for each in findings(results, means, compared)] == ["Bits per byte"]
    program = load_program("print_summary")
    program.main(parse(program, results=tmp_path))
    shown = capsys.readouterr().out
    assert "bits per byte [interval]" in shown and "perplexity" not in shown
    assert "published†" in shown and "† training data not declared" in shown


def test_unknown_numbers_of_tokens_say_nothing():
    assert have_same_tokens(pd.DataFrame({"a": [1.0, 2.0], "b": [np.nan, 2.0]}))
    assert not have_same_tokens(pd.DataFrame({"a": [1.0, 2.0], "b": [np.nan, 3.0]}))


RUNS = pd.DataFrame(
    [("s", "base", "m", None, "base"), ("s", "ours", "m", "d", "all"), ("s", "theirs", "m", None, "all")],
    columns=["set", "run", "model", "dataset", "layers"],
)


def test_marks_are_of_runs_without_declared_training_data_and_of_those_unlike_their_base():
    marks = marks_of(RUNS, ["ours"])
    assert marks == {"theirs": "†", "ours": "‡"}
    shown = with_marks(pd.DataFrame({"Run": ["ours", "theirs"], "Against": ["base", "base"], "X": [1, 2]}), marks)
    assert shown["Run"].tolist() == ["ours‡", "theirs†"] and shown["Against"].tolist() == ["base", "base"]
    assert footnote({"theirs": "†"}) == (" † training data not declared: it may have been trained on these texts.")
    assert footnote({}) == ""


def test_tables_have_the_marks_and_their_meaning(folder, tmp_path):
    results = made_results.read_made(folder)
    stage = TablesStage(seed=0, uncertainty=FEW, compared_layers=[])
    write_tables(results, made_results.pooled(folder, "similarity"), stage, tmp_path)
    for name in ("summary", "comparisons", "changes"):
        assert "<td>published†</td>" in (tmp_path / f"{name}.html").read_text()
        assert "† training data not declared" in (tmp_path / f"{name}.tex").read_text().splitlines()[0]
    assert pd.read_csv(tmp_path / "summary.csv").set_index("run")["marks"].to_dict()["published"] == "†"


def sentences(means):
    values = pd.DataFrame({"set": "s", "run": list(means), "quantity": "perplexity", "mean": list(means.values())})
    values = values.assign(low=values["mean"] - 1, high=values["mean"] + 1)
    pairs = pd.DataFrame({"set": "s", "run": ["ours", "theirs"], "against": "base", "quantity": "perplexity"})
    pairs = pairs.assign(difference=[means[run] - means["base"] for run in pairs["run"]], p_holm=0.001, decidable=True)
    marks = marks_of(RUNS, [])
    results = Results(RUNS, [Quantity("perplexity", "P", "lower", headline=True)], {"s": None}, {}, marks=marks)
    return findings(results, values, pairs)[0].sentences


def test_findings_call_no_run_of_unknown_training_data_better_without_its_mark():
    said = sentences({"base": 10.0, "ours": 8.0, "theirs": 7.0})
    assert said[0].startswith("theirs† has the lowest mean, 7 [6, 8], but training data not declared")
    assert said[1] == "Training on d lowers it from 10 [9, 11] (base) to 8 [7, 9] (ours), the lowest mean."
    assert said[2] == "Compared with the base model, 1 of 2 runs is better, 1 better with a mark†."
    assert len(sentences({"base": 10.0, "ours": 8.0, "theirs": 9.0})) == 2


def test_runs_that_are_evaluated_unlike_their_base_run_are_found():
    run = {"model": "tiny", "dataset": "hep-th", "layers": "all"}
    own = {
        "same": run,
        "whole": {**run, "quantization": {"method": "none"}},
        "exact": {**run, "precision": {"dtype": "float32"}},
    }
    configuration = parse_configuration({**SMALL, "runs": own})
    assert unlike_base(configuration, resolve_runs(configuration)) == ["whole", "exact"]
    without_base = parse_configuration({**SMALL, "grid": {**SMALL["grid"], "base": False}, "runs": own})
    assert unlike_base(without_base, resolve_runs(without_base)) == []
