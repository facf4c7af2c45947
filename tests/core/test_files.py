"""Files are complete or absent."""

import pyarrow
import pytest

from feyntune.core.errors import FeynTuneError
from feyntune.core.files import read_json, read_table, table_provenance, write_json, write_table, written_whole


def test_a_block_that_fails_leaves_the_old_file_and_nothing_beside_it(tmp_path):
    target = tmp_path / "a.json"
    write_json(target, {"old": 1})
    with pytest.raises(RuntimeError), written_whole(target) as aside:
        aside.write_text("half")
        raise RuntimeError
    assert read_json(target) == {"old": 1}
    assert list(tmp_path.iterdir()) == [target]


def test_a_table_keeps_its_provenance_and_its_bytes(tmp_path):
    table = pyarrow.table({"id": ["a", "b"]})
    for name in ("one.parquet", "two.parquet"):
        write_table(tmp_path / name, table, {"seed": 1})
    assert (tmp_path / "one.parquet").read_bytes() == (tmp_path / "two.parquet").read_bytes()
    assert table_provenance(tmp_path / "one.parquet") == {"seed": 1}


def test_a_missing_column_is_named_with_those_there(tmp_path):
    write_table(tmp_path / "t.parquet", pyarrow.table({"id": ["a"]}))
    with pytest.raises(FeynTuneError, match=r"t.parquet: no column 'abstract'; it has id"):
        read_table(tmp_path / "t.parquet", ["abstract"])


@pytest.mark.parametrize("content", [b"", b"rubbish", b"PAR1 torn"])
def test_a_corrupt_table_is_one_line(tmp_path, content):
    (tmp_path / "t.parquet").write_bytes(content)
    with pytest.raises(FeynTuneError, match="not a readable parquet file") as caught:
        read_table(tmp_path / "t.parquet")
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    for read in (read_table, read_json):
        with pytest.raises(FeynTuneError, match="none: no such file"):
            read(tmp_path / "none")


def test_nan_is_not_json(tmp_path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "a.json", float("nan"))
    assert not list(tmp_path.iterdir())


def test_no_damaged_byte_of_a_column_is_read_as_another_value(tmp_path):
    table = pyarrow.table({"id": [f"2401.{n:05d}" for n in range(40)], "x": [n / 7 for n in range(40)]})
    write_table(tmp_path / "t.parquet", table, {"seed": 1})
    whole, damaged = (tmp_path / "t.parquet").read_bytes(), tmp_path / "damaged.parquet"
    footer = len(whole) - 8 - int.from_bytes(whole[-8:-4], "little")  # names and sizes, without a checksum
    for place in range(4, footer, 3):
        damaged.write_bytes(whole[:place] + bytes([whole[place] ^ 0x5A]) + whole[place + 1 :])
        try:
            assert read_table(damaged).equals(table), place
        except FeynTuneError as error:
            assert "\n" not in str(error) and len(str(error).replace(str(tmp_path), "")) <= 200


@pytest.mark.parametrize("content", ["[1]", "3", "null", '"text"', "{", "", "\x00" * 9])
def test_only_json_objects_are_read(tmp_path, content):
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(FeynTuneError, match=r"a.json: not (valid JSON|a JSON object)"):
        read_json(tmp_path / "a.json")


def test_a_folder_is_no_file(tmp_path):
    for read in (read_table, read_json, table_provenance):
        with pytest.raises(FeynTuneError, match="not a file; check the path"):
            read(tmp_path)


def test_no_flipped_bit_of_a_table_is_a_traceback_or_another_value(tmp_path):
    path = tmp_path / "x.parquet"
    write_table(path, pyarrow.table({"id": ["a", "b"], "tokens": [1, 2]}), {"seed": 1})
    whole, table = path.read_bytes(), read_table(path)
    refused = 0
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 128]) + whole[place + 1 :])
        try:
            found = read_table(path)
        except FeynTuneError:
            refused += 1
            continue
        # Names of columns and types have no checksum; who asks for a column by its name gets an error.
        assert found.schema != table.schema or found.equals(table)
    assert refused > len(whole) // 4


def test_long_lists_of_columns_are_cut(tmp_path):
    write_table(tmp_path / "x.parquet", pyarrow.table({f"column{number}": [1] for number in range(500)}))
    with pytest.raises(FeynTuneError, match=r"it has column0, .* and 494 more; check the path") as caught:
        read_table(tmp_path / "x.parquet", ["id"])
    assert len(str(caught.value).replace(str(tmp_path), "")) < 200
