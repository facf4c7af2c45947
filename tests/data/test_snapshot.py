"""From a snapshot to the store: what is read, what is skipped and counted, and that the bytes are reproducible."""

import codecs
import gzip
import json
import random
import zipfile

import pytest

from feyntune.core.errors import FeynTuneError
from feyntune.core.files import read_table
from feyntune.data import snapshot
from feyntune.data.json_lines import parse
from feyntune.data.schema import SNAPSHOT
from feyntune.data.snapshot import read_snapshot
from support.papers import record, write_lines


def as_bytes(records):
    return "".join(json.dumps(each) + "\n" for each in records).encode()


@pytest.fixture
def small_blocks(monkeypatch):
    """Many blocks and row groups from few papers."""
    monkeypatch.setattr(snapshot, "BLOCK", 3_000)
    monkeypatch.setattr(snapshot, "ROW_GROUP", 7)


def mixed_records():
    return [
        record(number, draw) for number, draw in enumerate(["hep-th", "cs.LG hep-th", "hep-th gr-qc", "gr-qc"] * 30)
    ]


def test_every_field_arrives_as_it_is(tmp_path):
    full = record(1, submitter="Bal\u00e1zs", abstract="  $\\alpha'$ and\n  more\n", license="http://x", doi="10.1/x")
    empty = record(2, "cs.LG", versions=None, authors_parsed=None, comments=None, update_date=None)
    write_lines(tmp_path / "s.jsonl", [full, empty])
    report = read_snapshot(tmp_path / "s.jsonl", tmp_path / "s.parquet", 1)
    table = read_table(tmp_path / "s.parquet")
    assert table.schema.equals(SNAPSHOT)
    assert sorted(table.to_pylist(), key=lambda paper: paper["id"]) == [full, empty]
    assert (report.lines, report.papers, report.messages()) == (2, 2, [])


def test_unknown_fields_are_ignored(tmp_path):
    write_lines(tmp_path / "s.jsonl", [record(1, orcid={"a": [1]}), record(2)])
    assert read_snapshot(tmp_path / "s.jsonl", tmp_path / "s.parquet", 1).papers == 2


@pytest.mark.parametrize("pack", ["plain", "gz", "zip"])
def test_the_store_does_not_depend_on_compression(tmp_path, pack, small_blocks):
    content = as_bytes(mixed_records())
    path = tmp_path / f"s.{pack}"
    if pack == "zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("arxiv-metadata-oai-snapshot.json", content)
    else:
        path.write_bytes(gzip.compress(content) if pack == "gz" else content)
    (tmp_path / "plain.jsonl").write_bytes(content)
    read_snapshot(path, tmp_path / "packed.parquet", 1)
    read_snapshot(tmp_path / "plain.jsonl", tmp_path / "plain.parquet", 1)
    assert (tmp_path / "packed.parquet").read_bytes() == (tmp_path / "plain.parquet").read_bytes()


def test_the_number_of_threads_changes_no_byte(tmp_path, small_blocks):
    write_lines(tmp_path / "s.jsonl", [*mixed_records(), "{", record(0), *mixed_records()[:9]])
    stores = []
    for threads in (1, 2, 5):
        read_snapshot(tmp_path / "s.jsonl", tmp_path / f"{threads}.parquet", threads)
        stores.append((tmp_path / f"{threads}.parquet").read_bytes())
    assert stores[0] == stores[1] == stores[2]


def test_the_store_has_each_paper_once_whatever_the_blocks(tmp_path, small_blocks):
    records = mixed_records()
    write_lines(tmp_path / "s.jsonl", records)
    read_snapshot(tmp_path / "s.jsonl", tmp_path / "s.parquet", 2)
    papers = read_table(tmp_path / "s.parquet").to_pylist()
    assert sorted(papers, key=lambda paper: paper["id"]) == sorted(records, key=lambda paper: paper["id"])


def test_each_row_group_holds_one_archive(tmp_path, small_blocks):
    import pyarrow.parquet

    write_lines(tmp_path / "s.jsonl", mixed_records())
    read_snapshot(tmp_path / "s.jsonl", tmp_path / "s.parquet", 1)
    file = pyarrow.parquet.ParquetFile(tmp_path / "s.parquet")
    groups = [file.read_row_group(group, columns=["categories"])["categories"] for group in range(file.num_row_groups)]
    archives = [{text.as_py().split()[0].split(".")[0] for text in group} for group in groups]
    assert len(groups) > 3
    assert all(len(names) == 1 for names in archives)


BAD = {
    '{"id": "1", "abstract": "cut sho': "Missing a closing quotation mark in string",
    "not JSON": "not a JSON object",
    "null": "not a JSON object",
    "[1]": "not a JSON object",
    json.dumps(record(7)) + json.dumps(record(8)): "more than one object on the line",
    json.dumps(record(7)) + " null": "more than one object on the line",
    json.dumps(record(7, id=704.0001)): "Column(/id) changed from string to number",
    json.dumps(record(7, versions="v1")): "Column(/versions) changed from array to string",
    json.dumps(record(7))[:-1] + ', "id": "2"}': "Column(/id) was specified twice",
    '{"id": "\\ud835"}': "The surrogate pair in string is invalid",
}


@pytest.mark.parametrize("place", ["first", "middle", "last"])
@pytest.mark.parametrize("bad", BAD, ids=range(len(BAD)))
def test_a_malformed_line_is_counted_with_its_number_and_affects_no_other_line(tmp_path, bad, place):
    lines = [record(number) for number in range(5)]
    position = {"first": 0, "middle": 2, "last": 5}[place]
    lines.insert(position, bad)
    write_lines(tmp_path / "s.jsonl", lines)
    report = read_snapshot(tmp_path / "s.jsonl", tmp_path / "s.parquet", 1)
    assert (report.papers, report.malformed, report.lines) == (5, 1, 6)
    (shown,) = report.malformed_lines
    assert shown["line"] == position + 1
    assert BAD[bad] in shown["fault"]


def test_invalid_utf8_affects_only_its_own_line():
    block = as_bytes([record(1), record(2)]).replace(b"Paper 2", b"Paper \xff")
    parsed = parse(block)
    assert parsed.papers["title"].to_pylist() == ["Paper 1"]
    assert parsed.faults == [(2, "not UTF-8")]


def test_line_numbers_continue_across_blocks(tmp_path, small_blocks):
    lines = [record(number) for number in range(40)]
    lines[7] = lines[31] = "{"
    write_lines(tmp_path / "s.jsonl", lines)
    report = read_snapshot(tmp_path / "s.jsonl", tmp_path / "s.parquet", 2)
    assert [each["line"] for each in report.malformed_lines] == [8, 32]


def test_only_the_first_faults_are_shown_and_all_are_counted(tmp_path):
    write_lines(tmp_path / "s.jsonl", [record(1), *["{"] * 25])
    report = read_snapshot(tmp_path / "s.jsonl", tmp_path / "s.parquet", 1)
    assert (report.malformed, len(report.malformed_lines)) == (25, snapshot.SHOWN)


def test_blank_lines_crlf_and_a_missing_final_line_break_are_accepted(tmp_path):
    one, two = json.dumps(record(1)), json.dumps(record(2))
    (tmp_path / "s.jsonl").write_bytes(f"{one}\r\n\n  {two}".encode())
    report = read_snapshot(tmp_path / "s.jsonl", tmp_path / "s.parquet", 1)
    assert (report.papers, report.malformed) == (2, 0)


def test_a_byte_order_mark_does_not_cost_the_first_paper(tmp_path, small_blocks):
    content = as_bytes(mixed_records())
    (tmp_path / "plain.jsonl").write_bytes(content)
    (tmp_path / "marked.jsonl").write_bytes(codecs.BOM_UTF8 + content)
    report = read_snapshot(tmp_path / "marked.jsonl", tmp_path / "marked.parquet", 1)
    assert (report.papers, report.malformed) == (120, 0)
    read_snapshot(tmp_path / "plain.jsonl", tmp_path / "plain.parquet", 1)
    assert read_table(tmp_path / "marked.parquet").equals(read_table(tmp_path / "plain.parquet"))


@pytest.mark.parametrize(
    ("content", "cut"),
    [
        (as_bytes([record(1), record(2)])[:-20], True),
        (as_bytes([record(1), record(2)])[:-1], False),
        (as_bytes([record(1), record(2)]), False),
        (as_bytes([record(1), record(2)])[:-20] + b"\n", False),
        (as_bytes([record(1)]) + b'{"id": "2', True),
    ],
)
def test_a_cut_last_line_is_reported(tmp_path, content, cut):
    (tmp_path / "s.jsonl").write_bytes(content)
    report = read_snapshot(tmp_path / "s.jsonl", tmp_path / "s.parquet", 1)
    assert report.last_line_cut == cut
    assert ("the last line is cut, so the file is incomplete: fetch it again" in report.messages()) == cut


def test_a_cut_line_between_blocks_is_no_cut_file(tmp_path, small_blocks):
    write_lines(tmp_path / "s.jsonl", [*mixed_records(), '{"id": "cut', *mixed_records()[:9]])
    assert not read_snapshot(tmp_path / "s.jsonl", tmp_path / "s.parquet", 2).last_line_cut


def test_incomplete_papers_are_counted_by_the_missing_field(tmp_path):
    lacking = [
        record(1, id=None), record(2, id=" "), "{}",
        record(3, categories=None), record(4, categories=""),
        record(5, abstract=None), record(6, abstract=" \n"),
    ]  # fmt: skip
    write_lines(tmp_path / "s.jsonl", [*lacking, record(7)])
    report = read_snapshot(tmp_path / "s.jsonl", tmp_path / "s.parquet", 1)
    assert (report.without_id, report.without_categories, report.without_abstract, report.papers) == (3, 2, 2, 1)
    assert report.messages() == ["3 without an id", "2 without categories", "2 without an abstract"]


@pytest.mark.parametrize("seed", range(4))
def test_of_equal_ids_the_one_updated_last_is_kept_whatever_the_order(tmp_path, seed, small_blocks):
    old, new = record(1, update_date="2011-01-01", title="old"), record(1, update_date="2012-01-01", title="new")
    undated, tie = record(1, update_date=None, title="undated"), record(2, title="a")
    records = [old, new, undated, tie, record(2, title="b"), *(record(number) for number in range(3, 40))]
    random.Random(seed).shuffle(records)
    write_lines(tmp_path / "s.jsonl", records)
    report = read_snapshot(tmp_path / "s.jsonl", tmp_path / "s.parquet", 1)
    titles = {paper["id"]: paper["title"] for paper in read_table(tmp_path / "s.parquet").to_pylist()}
    assert (titles[old["id"]], titles[tie["id"]]) == ("new", "b")
    assert (report.papers, report.duplicates, len(titles)) == (39, 3, 39)
    assert report.duplicate_ids == [old["id"], tie["id"]]


def test_a_file_without_one_usable_paper_is_an_error_that_counts(tmp_path):
    write_lines(tmp_path / "s.jsonl", ["{", "nonsense", record(1, abstract="")])
    with pytest.raises(
        FeynTuneError, match=r"not one usable paper in it \(2 malformed lines \(line 1: .*\), 1 without an abs"
    ):
        read_snapshot(tmp_path / "s.jsonl", tmp_path / "s.parquet", 1)
    assert list(tmp_path.iterdir()) == [tmp_path / "s.jsonl"]


@pytest.mark.parametrize("suffix", [".gz", ".zip"])
def test_a_damaged_archive_is_a_one_line_error_and_leaves_no_file(tmp_path, suffix):
    whole, path = tmp_path / f"whole{suffix}", tmp_path / f"s{suffix}"
    content = as_bytes(mixed_records())
    if suffix == ".gz":
        whole.write_bytes(gzip.compress(content))
    else:
        with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("a.json", content)
    path.write_bytes(whole.read_bytes()[:-40])
    with pytest.raises(FeynTuneError, match=r"damaged archive \(.*\); fetch it again") as caught:
        read_snapshot(path, tmp_path / "s.parquet", 1)
    assert "\n" not in str(caught.value)
    assert sorted(tmp_path.iterdir()) == sorted([whole, path])


def test_a_zip_of_several_files_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "s.zip", "w") as archive:
        archive.writestr("a.json", "{}")
        archive.writestr("b.json", "{}")
    with pytest.raises(FeynTuneError, match="2 files in it, not one"):
        read_snapshot(tmp_path / "s.zip", tmp_path / "s.parquet", 1)
