import json
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from feyntune.core.errors import FeynTuneError
from feyntune.core.files import table_provenance, write_table
from feyntune.core.fingerprint import SCRIPTS
from feyntune.evaluation.metrics import file_columns
from feyntune.report.pool import LABELS, pool_statistics, pool_tables
from support import made_results
from support.metrics import SEMSCORE
from support.programs import call

SCORES = {"id": ["a", "b"], "score": [0.1, 0.2], "score_continuation": [None, 0.3], "truncated": [False, True]}


def label(run, **others):
    return dict.fromkeys(LABELS) | {"set": "unseen", "run": run} | others


def write(path, **changes):
    pq.write_table(pa.table(SCORES | changes), path)
    return path


def test_labels_stand_in_front_and_runs_in_the_order_given(tmp_path):
    inputs = [write(tmp_path / "2.parquet"), write(tmp_path / "1.parquet", score=[0.8, 0.9])]
    pool_tables(
        file_columns(SEMSCORE),
        inputs,
        [label("z", layers="base"), label("a", dataset="hep-th")],
        tmp_path / "all.parquet",
    )
    table = pq.read_table(tmp_path / "all.parquet")
    assert table.column_names == [*LABELS, *SCORES]
    assert table["run"].to_pylist() == ["z", "z", "a", "a"]
    assert table["dataset"].to_pylist() == [None, None, "hep-th", "hep-th"]
    assert table["score"].to_pylist() == [0.1, 0.2, 0.8, 0.9]


def test_columns_of_no_interest_are_left_out_and_order_does_not_matter(tmp_path):
    mixed = {name: SCORES[name] for name in reversed(SCORES)} | {"note": ["x", "y"]}
    pq.write_table(pa.table(mixed), tmp_path / "in.parquet")
    pool_tables(file_columns(SEMSCORE), [tmp_path / "in.parquet"], [label("one")], tmp_path / "all.parquet")
    assert pq.read_schema(tmp_path / "all.parquet").names == [*LABELS, *SCORES]


def test_narrower_types_of_another_run_are_taken(tmp_path):
    narrow = write(tmp_path / "narrow.parquet", score=pa.array([0.5, 0.25], pa.float32()))
    pool_tables(
        file_columns(SEMSCORE),
        [write(tmp_path / "wide.parquet"), narrow],
        [label("a"), label("b")],
        tmp_path / "all.parquet",
    )
    assert pq.read_table(tmp_path / "all.parquet")["score"].to_pylist() == [0.1, 0.2, 0.5, 0.25]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"id": ["a", "a"]}, "duplicate ids: a"),
        ({"score": ["high", "low"]}, "its columns have other types"),
    ],
)
def test_faults_name_the_file_and_leave_nothing(tmp_path, changes, message):
    inputs = [write(tmp_path / "good.parquet"), write(tmp_path / "bad.parquet", **changes)]
    with pytest.raises(FeynTuneError, match=f"bad.parquet: {message}"):
        pool_tables(file_columns(SEMSCORE), inputs, [label("a"), label("b")], tmp_path / "out" / "all.parquet")
    assert list((tmp_path / "out").iterdir()) == []


def test_statistics_become_rows_and_missing_ones_null(tmp_path):
    for name, content in (("a", {"mean": 0.5, "max": 1}), ("b", {"mean": 0.25})):
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
    inputs = [tmp_path / "a.json", tmp_path / "b.json"]
    pool_statistics(inputs, [label("a"), label("b")], tmp_path / "all.parquet")
    rows = pq.read_table(tmp_path / "all.parquet").to_pylist()
    assert [(row["run"], row["mean"], row["max"]) for row in rows] == [("a", 0.5, 1.0), ("b", 0.25, None)]


def test_the_program_refuses_labels_that_do_not_match(tmp_path):
    path = write(tmp_path / "in.parquet")
    command = [sys.executable, SCRIPTS / "collect.py", "--kind", "jina", "--inputs", path, "--runs", "[]"]
    done = subprocess.run([*command, "--output", tmp_path / "all.parquet"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "--runs: 0 entries for 1 inputs" in done.stdout


@pytest.mark.parametrize("runs", ['["a"]', '[{"run": "a"}]'])
def test_labels_that_are_no_runs_are_refused(tmp_path, runs):
    path = write(tmp_path / "in.parquet")
    with pytest.raises(FeynTuneError, match="has not all of set, run, model, dataset, layers"):
        call("collect", "--kind", "jina", "--inputs", path, "--runs", runs, "--output", tmp_path / "all.parquet")


def test_the_made_results_are_pooled_in_order(tmp_path):
    made_results.make_results(tmp_path, count=4)
    runs = pq.read_table(made_results.pooled(tmp_path, "perplexity"))["run"].unique().to_pylist()
    assert runs == [run["run"] for run in made_results.WITH_MODEL]


@pytest.mark.parametrize("content", ["[1]", '{"mean": "high"}', '{"mean": {"a": 1}}', "cut", ""])
def test_statistics_that_are_no_numbers_are_one_line(tmp_path, content):
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(FeynTuneError, match=r"a.json: not "):
        pool_statistics([tmp_path / "a.json"], [label("a")], tmp_path / "all.parquet")
    assert not (tmp_path / "all.parquet").exists()


def test_the_reason_of_a_metric_without_values_is_found_whatever_its_columns(tmp_path):
    path = tmp_path / "in.parquet"
    write_table(path, pa.table(SCORES), {"missing": "no model"})
    pool_tables(file_columns(SEMSCORE), [path], [label("one")], tmp_path / "all.parquet")
    assert table_provenance(tmp_path / "all.parquet")["missing"] == [
        {"set": "unseen", "run": "one", "reason": "no model"}
    ]
