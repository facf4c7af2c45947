"""Jobs of metrics: what they write, and what becomes of a metric that cannot be computed."""

import json

import pyarrow
import pyarrow.parquet
import pytest

from feyntune.core.errors import FeynTuneError
from feyntune.core.files import read_table, table_provenance
from feyntune.evaluation.metrics import file_columns
from feyntune.evaluation.metrics.repetition import Repetition
from feyntune.report.page.content import missing_lines
from feyntune.report.pool import pool_tables
from feyntune.report.results import missing_values
from support.metrics import NOVELTY, REPETITION, SEMSCORE
from support.programs import load_program

program = load_program("metric")
prepare_metric = load_program("prepare_metric")
check_metrics = load_program("check_metrics")

REPETITION_STAGE = json.dumps({"metric": {"kind": "repetition"}})
EMBEDDING_STAGE = json.dumps({"metric": {"kind": "embedding", "path": "nowhere"}})


@pytest.fixture
def completions(tmp_path):
    """Two completions, one of them empty."""
    columns = {
        "id": ["a", "b"], "prompt": ["We study.", "So?"], "y_true": [" Fine.", " No."],
        "prediction": [" it is it is", ""], "completion": ["We study. it is it is", "So?"],
    }  # fmt: skip
    pyarrow.parquet.write_table(pyarrow.table(columns), tmp_path / "completions.parquet")
    return tmp_path / "completions.parquet"


def run(parse, completions, output, settings=REPETITION_STAGE, **more):
    program.main(parse(program, completions=completions, settings=settings, output=output, **more))
    return read_table(output)


def test_a_metric_without_a_model_needs_only_the_completions(parse, completions, tmp_path, capsys):
    table = run(parse, completions, tmp_path / "out.parquet")
    assert table.column_names == file_columns(REPETITION)
    assert table["rep_1"].to_pylist() == [0.5, None]
    assert "1 of 2 completions are empty" in capsys.readouterr().out
    record = table_provenance(tmp_path / "out.parquet")
    assert record["settings"]["metric"]["kind"] == "repetition"
    assert record["empty"] == 1 and "missing" not in record


def test_a_metric_that_fails_leaves_a_table_without_values_and_the_reason(parse, completions, tmp_path, monkeypatch):
    def fail(self, *_):
        raise ValueError("no such\nweights")

    monkeypatch.setattr(Repetition, "score", fail)
    table = run(parse, completions, tmp_path / "out.parquet")
    assert table.column_names == file_columns(REPETITION)
    assert all(table[name].null_count == 2 for name in table.column_names if name != "id")
    assert table_provenance(tmp_path / "out.parquet")["missing"] == "ValueError: no such weights"


def test_a_metric_of_training_data_judges_runs_that_have_some(parse, completions, tmp_path):
    training = tmp_path / "train.parquet"
    pyarrow.parquet.write_table(pyarrow.table({"id": ["t"], "abstract": ["Is it is it true?"]}), training)
    settings = json.dumps({"metric": {"kind": "novelty"}})
    table = run(parse, completions, tmp_path / "out.parquet", settings, training=training)
    assert table.column_names == file_columns(NOVELTY)
    assert table["longest"].to_pylist() == [3, None] and table["source"].to_pylist() == ["t", None]


def test_it_has_no_values_for_other_runs_and_that_is_no_fault(parse, completions, tmp_path):
    output, pooled = tmp_path / "novelty/s/base.parquet", tmp_path / "novelty/all.parquet"
    table = run(parse, completions, output, json.dumps({"metric": {"kind": "novelty"}}))
    assert all(table[name].null_count == 2 for name in table.column_names if name != "id")
    labels = {"set": "s", "run": "base", "model": None, "dataset": None, "layers": None}
    pool_tables(file_columns(NOVELTY), [output], [labels], pooled)
    assert missing_lines(missing_values(pooled, NOVELTY)) == [
        "Novelty has no values for base: it needs the training split of the run, and none is declared for this run"
    ]
    check_metrics.main(parse(check_metrics, metrics=pooled, results=tmp_path, output=tmp_path / "complete.json"))
    assert output.exists()


def test_too_little_memory_fails_the_job_so_that_a_retry_asks_for_more(parse, completions, tmp_path, monkeypatch):
    def fail(self, *_):
        raise MemoryError

    monkeypatch.setattr(Repetition, "score", fail)
    with pytest.raises(FeynTuneError, match=r"computing the metric; raise resources\.metrics\.mem_mb"):
        run(parse, completions, tmp_path / "out.parquet")
    assert not (tmp_path / "out.parquet").exists()


def test_broken_completions_are_no_fault_of_the_metric(parse, tmp_path):
    (tmp_path / "completions.parquet").write_bytes(b"PAR1 rubbish")
    with pytest.raises(FeynTuneError, match="not a readable parquet file"):
        run(parse, tmp_path / "completions.parquet", tmp_path / "out.parquet")


def test_a_preparation_that_fails_is_the_reason_why_all_runs_have_no_values(parse, completions, dataset, tmp_path):
    reference = tmp_path / "references/semscore/s.safetensors"
    stage = json.dumps({**json.loads(EMBEDDING_STAGE), "limit": None})
    prepare_metric.main(
        parse(prepare_metric, dataset=dataset, model=tmp_path / "nowhere", settings=stage, output=reference)
    )
    more = {"settings": EMBEDDING_STAGE, "reference": reference, "model": tmp_path / "nowhere"}
    output = tmp_path / "semscore/s/one.parquet"
    table = run(parse, completions, output, **more)
    assert table.column_names == file_columns(SEMSCORE)
    reason = table_provenance(output)["missing"]
    assert "no modules.json" in reason

    pooled = tmp_path / "semscore/all.parquet"
    labels = {"set": "s", "run": "one", "model": None, "dataset": None, "layers": None}
    pool_tables(file_columns(SEMSCORE), [output], [labels], pooled)
    options = parse(check_metrics, metrics=pooled, results=tmp_path, output=tmp_path / "complete.json")
    with pytest.raises(FeynTuneError, match=r"^semscore: not computed for 1 result: .*no modules\.json"):
        check_metrics.main(options)
    assert not output.exists() and not reference.exists() and not (tmp_path / "complete.json").exists()


def test_the_check_passes_where_nothing_is_missing(parse, completions, tmp_path):
    output, pooled = tmp_path / "repetition/s/one.parquet", tmp_path / "repetition/all.parquet"
    run(parse, completions, output)
    labels = {"set": "s", "run": "one", "model": None, "dataset": None, "layers": None}
    pool_tables(file_columns(REPETITION), [output], [labels], pooled)
    check_metrics.main(parse(check_metrics, metrics=pooled, results=tmp_path, output=tmp_path / "complete.json"))
    assert json.loads((tmp_path / "complete.json").read_text()) == {"metrics": ["repetition"]}
    assert output.exists()
