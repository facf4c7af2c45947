"""The programs run as a user runs them: complete results, one clear line for each fault, no partial files."""

import json

import pyarrow.parquet
import pytest

from support.papers import error_line, record, run, table_of, write_lines, write_splits

SINGLE = {"dataset": {"snapshot": "s", "categories": ["hep-th"]}, "control_papers": [record(2)["id"]]}


def read_snapshot(folder, snapshot="s.jsonl"):
    return run("read_snapshot.py", "--snapshot", folder / snapshot, "--store", folder / "s.parquet",
               "--report", folder / "s.json")  # fmt: skip


def build(folder, settings=SINGLE, name="built"):
    return run("build_dataset.py", "--store", folder / "s.parquet", "--report", folder / "s.json",
               "--settings", json.dumps(settings), "--folder", folder / name)  # fmt: skip


def mix(folder, parts, **settings):
    held_out = [folder / part / f"{split}.parquet" for part in ("a", "b") for split in ("test", "validation")]
    return run("mix_dataset.py", "--datasets", folder, "--held-out", *held_out, "--folder", folder / "mixed",
               "--settings", json.dumps({"dataset": {"mix": parts}, "leaks": {}} | settings))  # fmt: skip


def splits_of(folder):
    return {split: (folder / f"{split}.parquet").read_bytes() for split in ("train", "test", "validation")}


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory):
    """A folder with a store made from a snapshot with a few faults."""
    folder = tmp_path_factory.mktemp("snapshot")
    records = [record(number, ["hep-th", "gr-qc hep-th"][number % 2]) for number in range(60)]
    records[4]["comments"] = "Paper withdrawn"
    records += ["{", record(1), record(100, abstract=None), record(101, categories=None), record(102, abstract=" ")]
    write_lines(folder / "s.jsonl", records)
    done = read_snapshot(folder)
    assert done.returncode == 0, done.stdout
    return folder


def test_skipped_lines_are_in_the_report_and_the_message(snapshot):
    report = json.loads((snapshot / "s.json").read_text())
    assert report == {
        "lines": 65, "last_line_cut": False, "papers": 60, "malformed": 1,
        "malformed_lines": [{"line": 61, "fault": "Missing a name for object member"}],
        "without_id": 0, "without_categories": 1, "without_abstract": 2,
        "duplicates": 1, "duplicate_ids": [record(1)["id"]],
    }  # fmt: skip
    shown = read_snapshot(snapshot).stdout.splitlines()
    assert (
        "read_snapshot s: 60 papers, 1 malformed lines (line 61: Missing a name for object member), "
        "1 without categories, 2 without an abstract, 1 older than another of the same id" in shown
    )


def test_the_summary_counts_kept_and_dropped_papers(snapshot):
    done = build(snapshot)
    assert done.returncode == 0, done.stdout
    assert "build_dataset built: 20 train, 5 test, 4 validation; left out: 1 withdrawn" in done.stdout
    summary = json.loads((snapshot / "built" / "summary.json").read_text())
    assert summary["rows"] == {"train": 20, "test": 5, "validation": 4}
    assert summary["categories"] == {"hep-th": 29}
    assert summary["years"] == {"2010": 29}
    assert summary["dropped"] == {"withdrawn": 1, "same_text": 0, "near_duplicates": 0}
    assert summary["snapshot"] == json.loads((snapshot / "s.json").read_text())
    splits = [pyarrow.parquet.read_table(snapshot / "built" / f"{split}.parquet") for split in summary["rows"]]
    lengths = [len(text.as_py().split()) for split in splits for text in split["abstract"]]
    assert (summary["words"]["min"], summary["words"]["max"]) == (min(lengths), max(lengths))
    assert summary["words"]["mean"] == pytest.approx(sum(lengths) / 29)


def test_two_builds_are_byte_identical(snapshot):
    build(snapshot, name="once")
    build(snapshot, name="twice")
    assert splits_of(snapshot / "once") == splits_of(snapshot / "twice")
    assert (snapshot / "once/summary.json").read_text() == (snapshot / "twice/summary.json").read_text()


def test_every_split_has_the_fourteen_fields_the_raw_abstract_and_its_settings(snapshot):
    build(snapshot)
    file = pyarrow.parquet.ParquetFile(snapshot / "built" / "test.parquet")
    assert set(file.schema_arrow.names) == {*record(1), "orig_abstract"}
    assert json.loads(file.schema_arrow.metadata[b"feyntune"]) == {"settings": SINGLE}


def test_control_papers_are_extracted_in_the_given_order(snapshot):
    ids = [record(9)["id"], "1111.11111", record(3)["id"]]
    done = run("control_papers.py", "--store", snapshot / "s.parquet", "--ids", json.dumps(ids),
               "--output", snapshot / "controls.parquet")  # fmt: skip
    assert "control_papers s: 2 control papers; not in this snapshot: 1111.11111" in done.stdout
    table = pyarrow.parquet.read_table(snapshot / "controls.parquet")
    assert table.equals(table_of([record(9, "gr-qc hep-th"), record(3, "gr-qc hep-th")]))


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (None, "no such file; put it there, or correct its path in the configuration"),
        ("", "empty file; fetch it again"),
        ("\n\n", "not one usable paper in it (no lines at all); name a snapshot of arXiv's metadata"),
        (
            "nonsense\n{\n",
            "not one usable paper in it (2 malformed lines (line 1: not a JSON object));"
            " name a snapshot of arXiv's metadata",
        ),
        (
            json.dumps(record(1, abstract="")),
            "not one usable paper in it (1 without an abstract); name a snapshot of arXiv's metadata",
        ),
    ],
)
def test_an_unusable_snapshot_is_a_one_line_error_and_leaves_no_file(tmp_path, content, line):
    if content is not None:
        (tmp_path / "s.jsonl").write_text(content)
    shown = error_line(read_snapshot(tmp_path))
    assert shown == f"read_snapshot s: error: {tmp_path / 's.jsonl'}: {line}"
    assert [path.name for path in tmp_path.iterdir() if path.name != "s.jsonl"] == []


@pytest.mark.parametrize(
    ("dataset", "line"),
    [
        (
            {"categories": ["hep-ph"]},
            "no paper whose primary category is hep-ph; the most frequent in the snapshot are ",
        ),
        ({"until": "1990-01-01"}, "no paper of hep-th from None until 1990-01-01"),
        ({"sample": 2}, "2 papers leave the validation split empty; take more"),
    ],
)
def test_an_impossible_dataset_is_a_one_line_error_and_leaves_no_file(snapshot, dataset, line):
    settings = SINGLE | {"dataset": SINGLE["dataset"] | dataset}
    assert line in error_line(build(snapshot, settings, name="none"))
    assert not (snapshot / "none").exists()


@pytest.fixture
def parts(tmp_path):
    for name, first in {"a": 0, "b": 100}.items():
        papers = [record(number) for number in range(first, first + 30)]
        write_splits(tmp_path / name, papers[:20], papers[20:25], papers[25:])
    return tmp_path


def test_a_mixture_is_reported_and_summarised(parts):
    done = mix(parts, ["a", {"dataset": "b", "fraction": 0.5}])
    assert "mix_dataset mixed: 30 train, 7 test, 7 validation; left out: none" in done.stdout, done.stdout
    summary = json.loads((parts / "mixed" / "summary.json").read_text())
    assert summary["dropped"] == {"repeated_ids": 0, "same_id": 0, "same_text": 0, "near_duplicates": 0}
    assert summary["near_duplicates"] == []


def test_an_impossible_fraction_is_a_one_line_error_and_leaves_no_file(parts):
    line = error_line(mix(parts, ["a", {"dataset": "b", "fraction": 2}]))
    assert line.endswith("error: train split: 40 rows wanted of 'b', which has 20; change its fraction")
    assert not (parts / "mixed").exists()


def test_a_training_split_of_held_out_texts_only_is_refused(parts, snapshot):
    papers = [record(number) for number in range(20, 25)]
    write_splits(parts / "b", [record(200 + number, abstract=papers[number % 5]["abstract"]) for number in range(20)],
                 papers, papers)  # fmt: skip
    line = error_line(mix(parts, ["b"]))
    assert "train split: all 20 papers are held out elsewhere too" in line
    assert not (parts / "mixed").exists()


def test_control_characters_of_a_file_do_not_reach_the_terminal(tmp_path):
    red = "\x1b[31mred\x07\u202e"
    write_lines(tmp_path / "s.jsonl", [record(1, red), '{"' + red + '": 1, "' + red + '": "no JSON'])
    done = read_snapshot(tmp_path)
    assert done.returncode == 0, done.stdout
    lines = [done.stdout, build(tmp_path).stdout]
    assert "\\x1b[31mred" in lines[1]
    assert not [each for text in lines for each in text if not each.isprintable() and each != "\n"]


def test_settings_of_another_stage_are_a_one_line_error(parts):
    assert "--settings: leeks: " in error_line(mix(parts, ["a"], leeks={}))
