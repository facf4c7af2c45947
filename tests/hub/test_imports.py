"""Completions from elsewhere as a run."""

import json

import pyarrow
import pyarrow.csv
import pyarrow.parquet
import pytest

from feyntune.core.errors import FeynTuneError
from feyntune.core.files import read_table
from feyntune.data.prompts import split_abstract
from feyntune.hub.imports import (
    check_prompts,
    imported_table,
    imported_values,
    match_rows,
    read_completions,
    read_values,
)
from feyntune.report.pool import COLUMNS, SCORE_COLUMNS
from support.programs import load_program

program = load_program("import_completions")
scores_program = load_program("import_scores")


def run(parse, folder, table, dataset, limit=None):
    program.main(
        parse(program, table=table, dataset=dataset, settings=json.dumps({"limit": limit}), output=folder / "c.parquet")
    )
    return read_table(folder / "c.parquet")


def test_prompts_are_repeated_or_not():
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
        ({"a": ""}, "no row for b; the evaluation set has 2"),
        ({"a": "", "b": "", "z": ""}, "rows for z, which the dataset does not have"),
    ],
)
def test_ids_that_do_not_match_are_told(rows, fault):
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
        ("t.csv", "", "not a CSV file with columns 'id' and 'completion'"),
        ("t.csv", "id,text\na,b\n", "no column 'completion' among columns 'id' and 'completion'; it has id, text"),
        ("t.csv", "id,completion\na,b\na,c\n", "duplicate ids: a"),
        ("t.txt", "id,completion\n", r"tables from elsewhere come as \.csv or \.parquet"),
        ("t.parquet", "junk", "not a readable parquet file"),
    ],
)
def test_files_that_hold_no_completions_are_told(tmp_path, name, content, fault):
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(FeynTuneError, match=fault):
        read_completions(tmp_path / name)


WIDE = {
    "id": ["b", "a"],
    "prompt": ["We find.", "We study."],
    "comp_s1-L-3.1-8B-base": ["We find. It was.", "We study . It is."],
    "preds_s1-L-3.1-8B-base": [" It was.", "It is."],
    "score_s1-L-3.1-8B-base": [0.5, None],
    "perplexity_s1-L-3.1-8B-base": [7.0, 8.0],
}


@pytest.mark.parametrize("form", ["csv", "parquet", "folder"])
def test_the_references_wide_tables_are_read(tmp_path, form):
    path = write_wide(tmp_path, form)
    model = "s1-L-3.1-8B-base"
    assert read_completions(path, "test", model) == {
        "a": ("We study.", "We study. It is."),  # the prompt was not given back as it was
        "b": ("We find.", "We find. It was."),
    }
    assert read_values(path, "semscore", "test", model) == {"a": None, "b": 0.5}
    assert read_values(path, "perplexity", "test", model) == {"a": 8.0, "b": 7.0}


def write_wide(folder, form):
    if form == "csv":
        pyarrow.csv.write_csv(pyarrow.table(WIDE), folder / "wide.csv")
        return folder / "wide.csv"
    path = folder / "data" / "test-00000-of-00001.parquet"
    path.parent.mkdir()
    pyarrow.parquet.write_table(pyarrow.table(WIDE), path)
    pyarrow.parquet.write_table(pyarrow.table({"id": ["z"]}), folder / "data" / "train-00000-of-00001.parquet")
    return folder if form == "folder" else path


def test_a_model_that_a_wide_table_lacks_is_told_with_those_it_has(tmp_path):
    path = write_wide(tmp_path, "parquet")
    with pytest.raises(FeynTuneError, match=r"no column 'comp_s2' .*; it has comp_s1-L-3.1-8B-base"):
        read_completions(path, "test", "s2")


@pytest.mark.parametrize("kind", ["perplexity", "semscore"])
def test_numbers_from_elsewhere_have_our_columns_and_nothing_made_up(tmp_path, parse, dataset, abstracts, kind):
    ids, _ = abstracts
    column = "perplexity" if kind == "perplexity" else "score"
    pyarrow.parquet.write_table(
        pyarrow.table({"id": ids, column: [float(n) for n in range(12)]}), tmp_path / "t.parquet"
    )
    options = parse(
        scores_program, table=tmp_path / "t.parquet", kind=kind, dataset=dataset,
        settings=json.dumps({"limit": 5}), output=tmp_path / "out.parquet",
    )  # fmt: skip
    scores_program.main(options)
    table = read_table(tmp_path / "out.parquet")
    assert table.column_names == list(COLUMNS.get(kind, SCORE_COLUMNS))
    assert table[column].to_pylist() == [0, 1, 2, 3, 4]
    others = set(table.column_names) - {"id", column}
    assert all(table[name].null_count == 5 for name in others)


def test_values_that_are_missing_stay_so():
    assert imported_values("semscore", ["a"], [None])["score"].to_pylist() == [None]
