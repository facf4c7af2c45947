"""Imported completions, perplexities and metrics."""

import json

import pyarrow
import pyarrow.csv
import pyarrow.parquet
import pytest

from feyntune.core.errors import FeynTuneError
from feyntune.core.files import read_table
from feyntune.data.prompts import split_abstract
from feyntune.evaluation.metrics import file_columns
from feyntune.hub.imports import (
    check_prompts,
    imported_table,
    imported_values,
    match_rows,
    read_completions,
    read_values,
)
from feyntune.report.pool import COLUMNS
from support.metrics import METRICS, ROUGE, SEMSCORE
from support.programs import load_program

program = load_program("import_completions")
values_program = load_program("import_values")


def run(parse, folder, table, dataset, limit=None):
    program.main(
        parse(program, table=table, dataset=dataset, settings=json.dumps({"limit": limit}), output=folder / "c.parquet")
    )
    return read_table(folder / "c.parquet")


def test_a_completion_may_repeat_its_prompt():
    halves = [("We study.", "It is."), ("We find.", "It was.")]
    table = imported_table(["a", "b"], halves, ["We study. It goes on.", "It goes on."]).to_pylist()
    assert [row["completion"] for row in table] == ["We study. It goes on.", "We find. It goes on."]
    assert [row["prediction"] for row in table] == [" It goes on.", " It goes on."]
    assert table[0]["stopped"] is None
    assert table[0]["new_tokens"] is None


def test_a_csv_becomes_a_run(tmp_path, parse, dataset, abstracts, capsys):
    ids, texts = abstracts
    lines = [f'{name},"{split_abstract(text)[0]} So, ""it""\ngoes.",9' for name, text in zip(ids, texts, strict=True)]
    lines[4] = f"{ids[4]},,9"
    (tmp_path / "t.csv").write_text("\n".join(["id,completion,rater", *reversed(lines)]))
    rows = run(parse, tmp_path, tmp_path / "t.csv", dataset).to_pylist()
    assert [row["id"] for row in rows] == ids
    assert rows[3]["prediction"] == ' So, "it"\ngoes.'
    assert (rows[4]["prediction"], rows[4]["completion"]) == ("", rows[4]["prompt"])
    assert "12 completions, 1 of them empty" in capsys.readouterr().out


def test_a_parquet_file_may_hold_more_than_the_limit(tmp_path, parse, dataset, abstracts):
    ids, texts = abstracts
    pyarrow.parquet.write_table(pyarrow.table({"id": ids, "completion": texts}), tmp_path / "t.parquet")
    table = run(parse, tmp_path, tmp_path / "t.parquet", dataset, limit=3)
    assert table["id"].to_pylist() == ids[:3]
    assert table["completion"].to_pylist()[0].split() == texts[0].split()


def test_ids_that_look_like_numbers_stay_texts(tmp_path):
    (tmp_path / "t.csv").write_text("id,completion\n0704.0010,12\n")
    assert read_completions(tmp_path / "t.csv") == {"0704.0010": (None, "12")}


@pytest.mark.parametrize(
    ("rows", "fault"),
    [
        ({"a": ""}, "no row for b; it needs one for each of the evaluation set's 2 abstracts"),
        ({"a": "", "b": "", "z": ""}, "rows for z, which the dataset does not have"),
    ],
)
def test_ids_that_do_not_match_are_an_error(rows, fault):
    with pytest.raises(FeynTuneError, match=f"^here: {fault}"):
        match_rows(rows, ["a", "b"], ["a", "b", "c"], "here")


def test_completions_of_other_prompts_are_refused():
    check_prompts(["a", "b"], ["We  study.", None], [("We study.", ""), ("It.", "")], "here")
    with pytest.raises(FeynTuneError, match="here: another prompt than ours for b"):
        check_prompts(["a", "b"], ["We study.", "They."], [("We study.", ""), ("It.", "")], "here")


@pytest.mark.parametrize(
    ("name", "content", "fault"),
    [
        ("t.csv", None, "no such file"),
        ("t.csv", "name,text\na,b\n", "no column 'id' among columns 'id' and 'completion'"),
        ("t.csv", "", "empty file"),
        ("t.csv", "id,text\na,b\n", "no column 'completion' among columns 'id' and 'completion'; it has id, text"),
        ("t.csv", "id,completion\na,b\na,c\n", "duplicate ids: a"),
        ("t.txt", "id,completion\n", r"imported tables are \.csv or \.parquet files"),
        ("t.parquet", "junk", "not a readable parquet file"),
    ],
)
def test_files_without_completions_are_an_error(tmp_path, name, content, fault):
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(FeynTuneError, match=fault):
        read_completions(tmp_path / name)


REFERENCE = {
    "id": ["b", "a"],
    "prompt": ["We find.", "We study."],
    "comp_s1-L-3.1-8B-base": ["We find. It was.", "We study . It is."],
    "preds_s1-L-3.1-8B-base": [" It was.", "It is."],
    "score_s1-L-3.1-8B-base": [0.5, None],
    "perplexity_s1-L-3.1-8B-base": [7.0, 8.0],
}


@pytest.mark.parametrize("form", ["csv", "parquet", "folder"])
def test_tables_in_the_references_schema_are_read(tmp_path, form):
    path = write_reference(tmp_path, form)
    model = "s1-L-3.1-8B-base"
    assert read_completions(path, "test", model) == {
        "a": ("We study.", "We study. It is."),  # the prompt was decoded differently
        "b": ("We find.", "We find. It was."),
    }
    assert read_values(path, "semscore", "test", model, SEMSCORE) == {"a": {"score": None}, "b": {"score": 0.5}}
    assert read_values(path, "perplexity", "test", model) == {"a": {"perplexity": 8.0}, "b": {"perplexity": 7.0}}


def write_reference(folder, form):
    if form == "csv":
        pyarrow.csv.write_csv(pyarrow.table(REFERENCE), folder / "reference.csv")
        return folder / "reference.csv"
    path = folder / "data" / "test-00000-of-00001.parquet"
    path.parent.mkdir()
    pyarrow.parquet.write_table(pyarrow.table(REFERENCE), path)
    pyarrow.parquet.write_table(pyarrow.table({"id": ["z"]}), folder / "data" / "train-00000-of-00001.parquet")
    return folder if form == "folder" else path


def test_an_unknown_model_of_a_reference_table_lists_the_known_ones(tmp_path):
    path = write_reference(tmp_path, "parquet")
    with pytest.raises(FeynTuneError, match=r"no column 'comp_s2' .*; it has comp_s1-L-3.1-8B-base"):
        read_completions(path, "test", "s2")


def import_stage(kind):
    """Settings of the import of five abstracts' values, as JSON."""
    metric = METRICS[kind].model_dump(mode="json") if kind in METRICS else None
    return json.dumps({"limit": 5, "metric": metric})


@pytest.mark.parametrize(("model", "suffix"), [(None, ""), ("m", "_m")])
def test_values_of_any_metric_are_imported_by_its_columns(tmp_path, model, suffix):
    table = pyarrow.table({"id": ["a"], f"rougeL{suffix}": [0.25], f"rouge2{suffix}": [0.5], f"score{suffix}": [9.0]})
    pyarrow.parquet.write_table(table, tmp_path / "t.parquet")
    rows = read_values(tmp_path / "t.parquet", "rouge", "test", model, ROUGE)
    assert rows == {"a": {"rouge2": 0.5, "rougeL": 0.25}}
    assert imported_values("rouge", ["a"], [rows["a"]], ROUGE).to_pylist() == [
        {"id": "a", "rouge1": None, "rouge2": 0.5, "rougeL": 0.25}
    ]


def test_a_table_without_any_column_of_the_metric_is_refused(tmp_path):
    pyarrow.parquet.write_table(pyarrow.table({"id": ["a"], "bleu": [0.5]}), tmp_path / "t.parquet")
    with pytest.raises(FeynTuneError, match=r"no column 'rouge1' .*; it has id, bleu"):
        read_values(tmp_path / "t.parquet", "rouge", "test", None, ROUGE)


@pytest.mark.parametrize("kind", ["perplexity", "semscore"])
def test_imported_numbers_have_our_columns_and_unknown_ones_are_null(tmp_path, parse, dataset, abstracts, kind):
    ids, _ = abstracts
    column, values = ("perplexity", [1.0, 2, 3, 4, 5]) if kind == "perplexity" else ("score", [-1.0, 0, 0.25, 0.5, 1])
    # values beyond the limit of the evaluation set are not used
    pyarrow.parquet.write_table(pyarrow.table({"id": ids, column: [*values, *[-7.0] * 7]}), tmp_path / "t.parquet")
    options = parse(
        values_program, table=tmp_path / "t.parquet", kind=kind, dataset=dataset,
        settings=import_stage(kind), output=tmp_path / "out.parquet",
    )  # fmt: skip
    values_program.main(options)
    table = read_table(tmp_path / "out.parquet")
    assert table.column_names == (list(COLUMNS[kind]) if kind in COLUMNS else file_columns(METRICS[kind]))
    assert table[column].to_pylist() == values
    others = set(table.column_names) - {"id", column}
    assert all(table[name].null_count == 5 for name in others)


def test_missing_values_stay_missing():
    assert imported_values("semscore", ["a"], [{"score": None}], SEMSCORE)["score"].to_pylist() == [None]


@pytest.mark.parametrize(
    ("kind", "value"),
    [("semscore", -7.0), ("semscore", float("inf")), ("semscore", 1e308), ("perplexity", -3.0), ("perplexity", 0.5),
     ("perplexity", float("inf")), ("rouge", 1.5)],
)  # fmt: skip
@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_numbers_out_of_range_are_named(tmp_path, parse, dataset, abstracts, kind, value, form):
    ids, _ = abstracts
    column = {"perplexity": "perplexity", "semscore": "score", "rouge": "rougeL"}[kind]
    values, path = [1.0, 1, 1, value, *[1] * 8], tmp_path / f"t.{form}"
    table = pyarrow.table({"id": ids, column: values})
    pyarrow.csv.write_csv(table, path) if form == "csv" else pyarrow.parquet.write_table(table, path)
    options = parse(
        values_program, table=path, kind=kind, dataset=dataset, settings=import_stage(kind),
        output=tmp_path / "out.parquet",
    )  # fmt: skip
    with pytest.raises(FeynTuneError) as caught:
        values_program.main(options)
    line = str(caught.value)
    assert f"{column} of {ids[3]} is {value:g}, not in [" in line
    assert len(line.replace(str(tmp_path), "")) <= 200 and not (tmp_path / "out.parquet").exists()


def binary(texts):
    return pyarrow.array([text.encode("latin-1") for text in texts], pyarrow.binary())


def not_utf8(texts):
    column = pyarrow.array([text.encode("latin-1") for text in texts], pyarrow.binary())
    return pyarrow.Array.from_buffers(pyarrow.string(), len(column), column.buffers())


COLUMNS_REFUSED = {
    "null": ({"completion": pyarrow.nulls(2)}, "column 'completion' is empty"),
    "binary": ({"completion": binary(["ä", "ö"])}, "column 'completion' holds binary, not string"),
    "not UTF-8": ({"completion": not_utf8(["ä", "ö"])}, "column 'completion' is not valid UTF-8"),
    "numeric ids": ({"id": [704.001, 704.002]}, "column 'id' holds double, not string"),
    "an id missing": ({"id": ["a", None]}, "1 rows have no id"),
    "nested": ({"completion": [["x"], ["y"]]}, "column 'completion' holds list"),
    "text for numbers": ({"perplexity": ["1", "2"]}, "column 'perplexity' holds string, not numbers"),
    "booleans for numbers": ({"perplexity": [True, False]}, "column 'perplexity' holds bool, not numbers"),
    "no number": ({"perplexity": [float("nan"), None]}, "column 'perplexity' is empty"),
}


@pytest.mark.parametrize("fault", COLUMNS_REFUSED)
def test_columns_of_another_type_are_one_line(tmp_path, fault):
    change, message = COLUMNS_REFUSED[fault]
    table = {"id": ["a", "b"], "completion": ["x", "y"], "perplexity": [2.0, 3.0], **change}
    pyarrow.parquet.write_table(pyarrow.table(table), tmp_path / "t.parquet")
    with pytest.raises(FeynTuneError) as caught:
        read_values(tmp_path / "t.parquet", "perplexity") if "perplexity" in change else read_completions(
            tmp_path / "t.parquet"
        )
    assert message in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_a_column_that_is_there_twice_is_one_line(tmp_path, form):
    table = pyarrow.table([["a"], ["x"], ["y"]], names=["id", "completion", "completion"])
    path = tmp_path / f"t.{form}"
    pyarrow.csv.write_csv(table, path) if form == "csv" else pyarrow.parquet.write_table(table, path)
    with pytest.raises(FeynTuneError, match="two columns are called 'completion'; rename or remove one"):
        read_completions(path)


def test_a_csv_of_a_spreadsheet_program_is_read(tmp_path):
    (tmp_path / "t.csv").write_bytes('id;completion\r\n0704.0010;"Es; geht."\r\n'.encode("utf-16"))
    assert read_completions(tmp_path / "t.csv") == {"0704.0010": (None, "Es; geht.")}
    (tmp_path / "v.csv").write_text("id;perplexity\n0704.0010;7,5\n0704.0011;\n0704.0012;NaN\n")
    assert read_values(tmp_path / "v.csv", "perplexity") == {
        "0704.0010": {"perplexity": 7.5}, "0704.0011": {"perplexity": None}, "0704.0012": {"perplexity": None},
    }  # fmt: skip


@pytest.mark.parametrize("number", ["1_0", "7 5", "great", "1,234.5", "٣"])
def test_cells_that_are_no_number_are_named_with_their_row(tmp_path, number):
    (tmp_path / "v.csv").write_text(f"id;perplexity\na;2\nb;{number}\n", encoding="utf-8")
    with pytest.raises(FeynTuneError, match=r"v.csv: row 3: .* is no number; correct it"):
        read_values(tmp_path / "v.csv", "perplexity")


def test_a_folder_without_a_dataset_is_one_line(tmp_path):
    (tmp_path / "data").mkdir()
    with pytest.raises(FeynTuneError, match="data: no files of a dataset") as caught:
        read_completions(tmp_path / "data")
    assert "\n" not in str(caught.value)
