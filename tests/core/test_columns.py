"""Tables of the right kind with columns of another type: every program refuses them in one line, and writes nothing."""

import json
import shutil

import pyarrow as pa
import pytest

from feyntune.core.columns import check_numbers, text_columns
from feyntune.core.errors import FeynTuneError
from feyntune.core.files import read_table, write_table
from support import made_results
from support.damage import refusal
from support.programs import call

IDS = [f"2401.{number:05d}" for number in range(4)]
ABSTRACTS = [f"We study {number}. It is. So on. The end." for number in range(4)]
NO_TEXTS = {
    "numbers": pa.array([1, 2, 3, 4]),
    "fractions": pa.array([0.5, 1.5, 2.5, 3.5]),
    "truth values": pa.array([True] * 4),
    "bytes": pa.array([b"\xff\x00"] * 4),
    "lists": pa.array([["x"]] * 4),
    "dates": pa.array([0] * 4, pa.date32()),
    "nulls": pa.nulls(4),
}


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.string())])
def test_texts_are_texts_however_they_are_stored(kind):
    table = text_columns(pa.table({"id": pa.array(IDS).cast(kind)}), ["id", "abstract"], "here")
    assert table["id"].type == pa.string() and table["id"].to_pylist() == IDS


@pytest.mark.parametrize("wrong", NO_TEXTS)
def test_other_columns_are_no_texts(wrong):
    with pytest.raises(FeynTuneError, match=r"^here: column 'id' holds .*, not string; convert it$"):
        text_columns(pa.table({"id": NO_TEXTS[wrong]}), ["id"], "here")


def test_bytes_that_are_called_text_are_not_valid():
    broken = pa.StringArray.from_buffers(1, pa.py_buffer(b"\0\0\0\0\2\0\0\0"), pa.py_buffer(b"\xff\xfe"))
    with pytest.raises(FeynTuneError, match="here: column 'id' is not valid UTF-8"):
        text_columns(pa.table({"id": broken}), ["id"], "here")


@pytest.mark.parametrize(
    ("column", "fault"),
    [
        (pa.array([1.0, float("inf")]), "holds infinite numbers; compute them again"),
        (pa.array(["1", "2"]), "holds string, not numbers"),
        (pa.array([[1.0], [2.0]]), "holds list<item: double>, not numbers"),
        (pa.array([1.0, None, float("nan")]), None),
        (pa.nulls(2), None),
        (pa.array([True, None]), None),
    ],
)
def test_numbers_are_finite_or_missing(column, fault):
    table = pa.table({"x": column})
    if fault is None:
        check_numbers(table, ["x"], "here")
    else:
        with pytest.raises(FeynTuneError, match=f"^here: column 'x' {fault}"):
            check_numbers(table, ["x"], "here")


def test_a_column_that_is_there_twice_is_refused(tmp_path):
    write_table(tmp_path / "t.parquet", pa.Table.from_arrays([pa.array(IDS)] * 2, names=["id", "id"]))
    refusal(lambda: read_table(tmp_path / "t.parquet", ["id"]), tmp_path, "two columns are called 'id'")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Results of some runs, and data of trainings and imports."""
    folder = tmp_path_factory.mktemp("whole")
    made_results.make_results(folder, count=4)
    for name in ("set", "train", "test", "control"):
        write_table(folder / f"{name}.parquet", pa.table({"id": IDS, "abstract": ABSTRACTS}))
    (folder / "t.csv").write_text("id,completion,perplexity\n" + "".join(f"{name},x,2\n" for name in IDS))
    return folder


@pytest.fixture
def folder(whole, tmp_path):
    return shutil.copytree(whole, tmp_path / "inputs")


LABELS = [{**made_results.RUNS[0], "set": "set"}]
EVALUATED = {
    "run": "r", "limit": None, "quantization": {"method": "none"}, "precision": {"dtype": "float32"},
    "base_names": ["tiny"],
}  # fmt: skip
COMPLETED = "completions/unseen/tiny_base.parquet"
POOLED = ["completions/all.parquet", "perplexity/all.parquet", "semscore/all.parquet"]


def pooled(folder):
    return ["--completions", folder / POOLED[0], "--perplexity", folder / POOLED[1],
            "--metrics", f"semscore={folder / POOLED[2]}"]  # fmt: skip


def tables(folder, output):
    from feyntune.config.schema.report import TablesStage, Uncertainty
    from support.metrics import SEMSCORE

    stage = TablesStage(seed=0, uncertainty=Uncertainty(resamples=99), compared_layers=[], metrics=[SEMSCORE])
    return [*pooled(folder), "--similarity", folder / "similarity/all.parquet",
            "--settings", stage.model_dump_json(), "--output-folder", output]  # fmt: skip


PROGRAMS = {
    "import_completions": lambda folder, output: [
        "--table", folder / "t.csv", "--dataset", folder / "set.parquet", "--settings", '{"limit": null}',
        "--output", output / "c.parquet",
    ],
    "import_values": lambda folder, output: [
        "--table", folder / "t.csv", "--dataset", folder / "set.parquet", "--settings", '{"limit": null}',
        "--kind", "perplexity", "--output", output / "p.parquet",
    ],
    "metric": lambda folder, output: [
        "--completions", folder / COMPLETED, "--settings", '{"metric": {"kind": "repetition"}}',
        "--output", output / "m.parquet",
    ],
    "collect": lambda folder, output: [
        "--kind", "completions", "--inputs", folder / COMPLETED, "--runs", json.dumps(LABELS),
        "--sets", folder / "set.parquet", "--output", output / "all.parquet",
    ],
    "rating_sheet": lambda folder, output: [
        "--completions", folder / POOLED[0], "--set", "unseen", "--papers", 2, "--raters", "ann", "--folder", output,
    ],
    "tables": tables,
}  # fmt: skip
"""The command line of each program, given a folder with its inputs and one for its outputs."""
READS = [
    ("import_completions", "set.parquet", "abstract"), ("import_completions", "set.parquet", "id"),
    ("import_values", "set.parquet", "id"), ("metric", COMPLETED, "id"), ("metric", COMPLETED, "prediction"),
    ("metric", COMPLETED, "y_true"), ("collect", COMPLETED, "id"), ("collect", COMPLETED, "completion"),
    ("collect", "set.parquet", "id"), ("rating_sheet", POOLED[0], "run"), ("rating_sheet", POOLED[0], "prediction"),
    *(("tables", file, "id") for file in POOLED), ("tables", POOLED[0], "stopped"),
    ("tables", "similarity/all.parquet", "run"),
]  # fmt: skip


@pytest.mark.parametrize("wrong", ["numbers", "bytes", "lists", "dates"])
@pytest.mark.parametrize(("program", "file", "column"), READS)
def test_a_program_refuses_columns_that_are_no_texts(folder, tmp_path, program, file, column, wrong):
    replace_column(folder / file, column, NO_TEXTS[wrong])
    call_ = lambda: call(program, *PROGRAMS[program](folder, tmp_path / "out"))  # noqa: E731
    assert f"column '{column}'" in refusal(call_, folder, file, tmp_path / "out")


@pytest.mark.parametrize("column", ["perplexity", "nll", "tokens"])
@pytest.mark.parametrize("wrong", [pa.array(["x"]), pa.array([[1.0]]), pa.array([float("inf")])])
def test_tables_are_of_finite_numbers(folder, tmp_path, column, wrong):
    replace_column(folder / POOLED[1], column, wrong)
    refusal(lambda: call("tables", *tables(folder, tmp_path / "out")), folder, POOLED[1], tmp_path / "out")


@pytest.mark.parametrize(("file", "program"), [("set.parquet", "import_completions"), (COMPLETED, "metric")])
def test_a_row_without_an_id_is_refused(folder, tmp_path, file, program):
    ids = read_table(folder / file)["id"].to_pylist()
    replace_column(folder / file, "id", pa.array([None, *ids[1:]]))
    call_ = lambda: call(program, *PROGRAMS[program](folder, tmp_path / "out"))  # noqa: E731
    assert "row 1 has no id" in refusal(call_, folder, file, tmp_path / "out")


def test_an_abstract_that_a_run_has_twice_is_in_no_table(folder, tmp_path):
    table = read_table(folder / POOLED[0])
    write_table(folder / POOLED[0], pa.concat_tables([table, table.slice(0, 1)]))
    line = refusal(lambda: call("tables", *tables(folder, tmp_path / "out")), folder, POOLED[0], tmp_path / "out")
    assert "an abstract twice" in line


def replace_column(path, name, values):
    """Write a table anew, with these values over and over in a column."""
    table = read_table(path)
    place = table.column_names.index(name)
    rows = pa.array([row % len(values) for row in range(len(table))])
    write_table(path, table.set_column(place, name, values.take(rows)))
