"""CSV files as people's programs save them: read where there is one way to read them, else refused in one line."""

import codecs

import pytest

from feyntune.core.errors import FeynTuneError
from feyntune.core.spreadsheets import read_spreadsheet

TEXT = 'id;text;score\r\n0704.0010;"Zwölf ""Körper"";\r\nin zwei Zeilen";7,5\r\n\r\n;;\r\n0704.0011;kurz;8\r\n'
ROWS = [
    (2, {"id": "0704.0010", "text": 'Zwölf "Körper";\r\nin zwei Zeilen', "score": "7,5"}),
    (5, {"id": "0704.0011", "text": "kurz", "score": "8"}),
]
ENCODED = {
    "UTF-8": TEXT.encode(),
    "UTF-8 with BOM": codecs.BOM_UTF8 + TEXT.encode(),
    "UTF-16": codecs.BOM_UTF16_LE + TEXT.encode("utf-16-le"),
    "UTF-16 big-endian": codecs.BOM_UTF16_BE + TEXT.encode("utf-16-be"),
    "tabs": TEXT.replace(";", "\t").replace('"""\t', '""";').replace("Körper\"\"\t", "Körper\"\";").encode(),
    "the delimiter is named": b"sep=;\r\n" + TEXT.encode(),
}  # fmt: skip


def read(tmp_path, content, needed=("id", "score"), optional=()):
    path = tmp_path / "t.csv"
    path.write_bytes(content)
    return read_spreadsheet(path, needed, optional)


@pytest.mark.parametrize("how", ENCODED)
def test_one_table_in_every_form(tmp_path, how):
    read_rows = read(tmp_path, ENCODED[how], needed=("id", "text", "score")).rows
    assert read_rows == ROWS


def test_columns_of_ascii_are_read_whatever_the_encoding_of_the_others(tmp_path):
    for encoding in ("cp1252", "mac-roman"):
        table = read(tmp_path, TEXT.encode(encoding))
        assert [(row["id"], row["score"]) for _, row in table.rows] == [("0704.0010", "7,5"), ("0704.0011", "8")]


BAD = {
    "letters in an unknown encoding": (TEXT.encode("cp1252"), ("id", "text"), "its letters are uncertain; save it as"),
    "UTF-16 without a mark": (TEXT.encode("utf-16-le"), ("id",), "NUL characters"),
    "UTF-16 cut": (codecs.BOM_UTF16_LE + TEXT.encode("utf-16-le")[:-1], ("id",), "not valid UTF-16"),
    "zeros": (bytes(100), ("id",), "NUL characters"),
    "empty": (b"", ("id",), "empty file"),
    "blank": (b" \r\n\r\n", ("id",), "empty file"),
    "a column twice": (b"id,id,score\na,b,1\n", ("id",), "two columns are called 'id'"),
    "no column": (b"name,score\na,1\n", ("id",), "no column 'id' among columns 'id'; it has name, score"),
    "too many cells": (b"id,text\na,one, two\n", ("id",), "row 2: 3 cells for 2 columns; put texts into quotation"),
    "no table": (b"\x1b[31m<html>404</html>", ("id",), "no column 'id'"),
}


@pytest.mark.parametrize("fault", BAD)
def test_what_could_be_read_in_two_ways_is_one_line(tmp_path, fault):
    content, needed, message = BAD[fault]
    with pytest.raises(FeynTuneError) as caught:
        read(tmp_path, content, needed)
    line = str(caught.value)
    assert message in line
    assert "\n" not in line and "\x1b" not in line and len(line.replace(str(tmp_path), "")) <= 200


def test_a_missing_file_and_a_folder_are_one_line(tmp_path):
    with pytest.raises(FeynTuneError, match=r"none.csv: no such file"):
        read_spreadsheet(tmp_path / "none.csv", ["id"])
    with pytest.raises(FeynTuneError, match="not a file"):
        read_spreadsheet(tmp_path, ["id"])


def test_short_rows_have_empty_cells(tmp_path):
    assert read(tmp_path, b"id,score,note\na,1\nb\n").rows == [
        (2, {"id": "a", "score": "1", "note": ""}),
        (3, {"id": "b", "score": "", "note": ""}),
    ]
