"""Damaged files: each program that reads one refuses it in one clear line, and writes nothing."""

import gzip
import json
import shutil
import zipfile

import pytest

from support.damage import DAMAGES, damage, refusal
from support.papers import record, write_lines, write_splits
from support.programs import call

DATASET = {"dataset": {"snapshot": "s", "categories": ["hep-th"]}, "control_papers": []}
MIXTURE = {"dataset": {"mix": ["a", "b"]}, "leaks": {}}
IMPORTED = {"dataset": {"files": dict.fromkeys(("train", "test", "validation"), "x")}, "control_papers": []}
EVALUATED = {"name": "set", "dataset": "a", "split": "test", "limit": None, "policy": "exclude", "near_duplicates": {}}
HELD_OUT = {"dataset": "b", "near_duplicates": {}}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A folder with one file of each kind that the data programs read."""
    folder = tmp_path_factory.mktemp("whole")
    lines = [record(number) for number in range(60)]
    plain = write_lines(folder / "s.jsonl", lines).read_bytes()
    (folder / "s.gz").write_bytes(gzip.compress(plain))
    with zipfile.ZipFile(folder / "s.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("s.json", plain)
    for name, first in {"a": 0, "b": 100}.items():
        papers = [record(number) for number in range(first, first + 30)]
        write_splits(folder / name, papers[:20], papers[20:25], papers[25:])
    call("read_snapshot", "--snapshot", folder / "s.jsonl", *store_of(folder))
    return folder


def store_of(folder):
    return ["--store", folder / "store.parquet", "--report", folder / "report.json"]


PROGRAMS = {
    "read_snapshot plain": lambda folder, output: ["--snapshot", folder / "s.jsonl", *store_of(output)],
    "read_snapshot gz": lambda folder, output: ["--snapshot", folder / "s.gz", *store_of(output)],
    "read_snapshot zip": lambda folder, output: ["--snapshot", folder / "s.zip", *store_of(output)],
    "build_dataset": lambda folder, output: [*store_of(folder), "--settings", json.dumps(DATASET), "--folder", output],
    "control_papers": lambda folder, output: [
        "--store", folder / "store.parquet", "--ids", "[]", "--output", output / "controls.parquet",
    ],
    "mix_dataset": lambda folder, output: [
        "--datasets", folder, "--held-out", folder / "a/test.parquet", "--settings", json.dumps(MIXTURE),
        "--folder", output,
    ],
    "import_dataset": lambda folder, output: [
        "--files", folder / "s.jsonl", folder / "a/test.parquet", folder / "b/test.parquet",
        "--settings", json.dumps(IMPORTED), "--folder", output,
    ],
    "evaluation_set": lambda folder, output: [
        "--split", folder / "a/test.parquet", "--trained", folder / "b/train.parquet",
        "--settings", json.dumps(EVALUATED), "--output", output / "set.parquet",
        "--summary", output / "set.json",
    ],
    "hold_out": lambda folder, output: [
        "--train", folder / "b/train.parquet", "--held-out", folder / "a/test.parquet",
        "--settings", json.dumps(HELD_OUT), "--output", output / "train.parquet",
        "--summary", output / "x.json",
    ],
    "join_splits": lambda folder, output: [
        "--splits", folder / "a/test.parquet", folder / "b/test.parquet", "--output", output / "all.parquet",
    ],
}  # fmt: skip
"""The command line of each program, given a folder with its inputs and one for its outputs."""

READS = [
    ("read_snapshot gz", "s.gz"),
    ("read_snapshot zip", "s.zip"),
    ("build_dataset", "store.parquet"),
    ("build_dataset", "report.json"),
    ("control_papers", "store.parquet"),
    ("mix_dataset", "a/train.parquet"),
    ("mix_dataset", "a/test.parquet"),
    ("import_dataset", "b/test.parquet"),
    ("evaluation_set", "a/test.parquet"),
    ("evaluation_set", "b/train.parquet"),
    ("hold_out", "b/train.parquet"),
    ("hold_out", "a/test.parquet"),
    ("join_splits", "b/test.parquet"),
]


@pytest.fixture
def folder(whole, tmp_path):
    """A copy of the inputs to damage."""
    return shutil.copytree(whole, tmp_path / "inputs")


def ran(program, folder, output):
    call(program.split()[0], *PROGRAMS[program](folder, output))


@pytest.mark.parametrize("program", PROGRAMS)
def test_whole_files_are_read(folder, tmp_path, program):
    ran(program, folder, tmp_path / "out")


@pytest.mark.parametrize("how", DAMAGES)
@pytest.mark.parametrize(("program", "file"), READS)
def test_a_damaged_file_is_one_clear_line(folder, tmp_path, program, file, how):
    damage(folder / file, how)
    refusal(lambda: ran(program, folder, tmp_path / "out"), folder, file, tmp_path / "out")


@pytest.mark.parametrize(("program", "file"), [("read_snapshot plain", "s.jsonl"), *READS])
def test_a_missing_file_and_a_folder_in_its_place_are_one_clear_line(folder, tmp_path, program, file):
    (folder / file).unlink()
    refusal(lambda: ran(program, folder, tmp_path / "out"), folder, file, tmp_path / "out")
    (folder / file).mkdir()
    refusal(lambda: ran(program, folder, tmp_path / "out"), folder, file, tmp_path / "out")


@pytest.mark.parametrize("how", ["empty", "zeros", "text"])
@pytest.mark.parametrize("program", ["read_snapshot plain", "import_dataset"])
def test_json_lines_without_a_paper_are_one_clear_line(folder, tmp_path, program, how):
    damage(folder / "s.jsonl", how)
    refusal(lambda: ran(program, folder, tmp_path / "out"), folder, "s.jsonl", tmp_path / "out")


@pytest.mark.parametrize("how", ["cut", "end missing", "zeros in front"])
def test_what_is_left_of_a_damaged_plain_snapshot_is_read_and_the_damage_reported(folder, tmp_path, how):
    damage(folder / "s.jsonl", how)
    ran("read_snapshot plain", folder, tmp_path / "out")
    report = json.loads((tmp_path / "out/report.json").read_text())
    assert 0 < report["papers"] < 60
    assert report["malformed"] == 1
    assert report["last_line_cut"] == (how != "zeros in front")
