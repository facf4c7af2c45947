"""Plain texts as passages."""

import gzip
import json

import pyarrow
import pyarrow.parquet
import pytest

from feyntune.config.schema.data import NearDuplicates
from feyntune.config.schema.evaluation import EvaluationSetStage, TextsStage
from feyntune.core.errors import FeynTuneError
from feyntune.core.files import read_table, write_table
from feyntune.data.evaluation_sets import make_evaluation_set
from feyntune.data.texts import divide, read_passages
from support.papers import record, table_of
from support.programs import load_program

TEXTS = ["One two  three\nfour five.", "Short.", "", "a b c d"]
STAGE = TextsStage(column="text", words=2)
IDS = ["1.1", "1.2", "1.3", "2", "4.1", "4.2"]
PASSAGES = ["One", "two  three", "four five.", "Short.", "a b", "c d"]


def json_lines(path, column="text"):
    path.write_text("".join(f"{json.dumps({column: text, 'more': 1})}\n" for text in TEXTS))


def test_every_kind_of_file_gives_the_same_passages(tmp_path):
    json_lines(tmp_path / "a.jsonl")
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress((tmp_path / "a.jsonl").read_bytes()))
    pyarrow.parquet.write_table(pyarrow.table({"text": TEXTS}), tmp_path / "a.parquet")
    for name in ("a.jsonl", "a.jsonl.gz", "a.parquet"):
        table = read_passages(tmp_path / name, STAGE)
        assert (table["id"].to_pylist(), table["abstract"].to_pylist()) == (IDS, PASSAGES)


def test_a_text_file_has_a_text_between_blank_lines(tmp_path):
    (tmp_path / "a.txt").write_text("\ufeffOne\ntwo\r\n \r\n\nthree\n\n", encoding="utf-8")
    assert read_passages(tmp_path / "a.txt", STAGE)["abstract"].to_pylist() == ["One\ntwo", "three"]


@pytest.mark.parametrize(("count", "words", "sizes"), [(10, 4, [3, 3, 4]), (8, 4, [4, 4]), (3, 4, [3]), (0, 4, [])])
def test_passages_have_nearly_equal_numbers_of_words(count, words, sizes):
    text = " ".join(map(str, range(count)))
    passages = divide(text, words)
    assert [len(passage.split()) for passage in passages] == sizes
    assert " ".join(passages) == text


@pytest.mark.parametrize(
    ("name", "content", "fault"),
    [
        ("a.jsonl", "{}\n", "line 1 has no 'text'; name the column of texts by 'column'"),
        ("a.jsonl", '{"text": "x"}\nnonsense\n', "line 2 is not JSON"),
        ("a.jsonl", '{"text": 3}\n', "row 1 holds int instead of a text"),
        ("a.jsonl", '{"text": null}\n', "row 1 holds nothing instead of a text"),
        ("a.txt", " \n\n ", "no text in it"),
        ("a.csv", "text\nx\n", "not .jsonl, .parquet or .txt"),
    ],
)
def test_faults_name_the_place(tmp_path, name, content, fault):
    (tmp_path / name).write_text(content)
    with pytest.raises(FeynTuneError) as error:
        read_passages(tmp_path / name, STAGE)
    assert fault in str(error.value) and str(tmp_path / name) in str(error.value)


def test_bytes_that_are_no_text_and_files_that_are_not_there_are_faults(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"na\xefve")
    with pytest.raises(FeynTuneError, match="not UTF-8 at byte 2"):
        read_passages(tmp_path / "a.txt", STAGE)
    with pytest.raises(FeynTuneError, match="no such file"):
        read_passages(tmp_path / "b.txt", STAGE)


def test_the_program_writes_what_perplexity_reads(tmp_path, parse):
    json_lines(tmp_path / "a.jsonl", "body")
    program, stage = load_program("read_texts"), json.dumps({"column": "body", "words": 250})
    program.main(parse(program, text=tmp_path / "a.jsonl", settings=stage, output=tmp_path / "out.parquet"))
    assert read_table(tmp_path / "out.parquet", ["id", "abstract"])["id"].to_pylist() == ["1", "2", "4"]


def test_passages_that_are_in_a_training_split_are_excluded_from_the_evaluation_set(tmp_path):
    json_lines(tmp_path / "a.jsonl")
    write_table(tmp_path / "texts.parquet", read_passages(tmp_path / "a.jsonl", STAGE))
    write_table(tmp_path / "train.parquet", table_of([record(1, abstract="Short.")]))
    stage = EvaluationSetStage(
        name="wiki", dataset=None, split=None, limit=None, policy="exclude", near_duplicates=NearDuplicates()
    )
    made = make_evaluation_set(stage, tmp_path / "texts.parquet", {"hep-th": tmp_path / "train.parquet"})
    assert made.papers["id"].to_pylist() == [name for name in IDS if name != "2"]
