"""Completions from elsewhere as a run."""

import json

import import_completions as program
import pyarrow
import pyarrow.parquet
import pytest
from feyntune.errors import FeynTuneError
from feyntune.files import read_table
from feyntune.imports import imported_table, match_completions, read_completions
from feyntune.prompts import split_abstract


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
    assert read_completions(tmp_path / "t.csv") == {"0704.0010": "12"}


@pytest.mark.parametrize(
    ("completions", "fault"),
    [
        ({"a": ""}, "no completion of b; the evaluation set has 2"),
        ({"a": "", "b": "", "z": ""}, "completions of z, which the dataset does not have"),
    ],
)
def test_ids_that_do_not_match_are_told(completions, fault):
    with pytest.raises(FeynTuneError, match=f"^here: {fault}"):
        match_completions(completions, ["a", "b"], ["a", "b", "c"], "here")


@pytest.mark.parametrize(
    ("name", "content", "fault"),
    [
        ("t.csv", None, "no such file"),
        ("t.csv", "name,text\na,b\n", "not a CSV file with columns 'id' and 'completion'"),
        ("t.csv", "", "not a CSV file with columns 'id' and 'completion'"),
        ("t.csv", "id,completion\na,b\na,c\n", "a there more than once"),
        ("t.txt", "id,completion\n", r"completions come as \.csv or \.parquet"),
        ("t.parquet", "junk", "not a readable parquet file"),
    ],
)
def test_files_that_hold_no_completions_are_told(tmp_path, name, content, fault):
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(FeynTuneError, match=fault):
        read_completions(tmp_path / name)
