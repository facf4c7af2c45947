"""Import of datasets that already have splits: fetched by the real client from a hub on loopback, or local files."""

import gzip
import json
import os

import pyarrow
import pyarrow.parquet
import pytest

from feyntune.config.schema.data import Dataset, DatasetStage
from feyntune.core.errors import FeynTuneError
from feyntune.core.files import read_table
from feyntune.data.imports import files_by_split, import_dataset
from feyntune.data.schema import DATASET, SNAPSHOT
from support.loopback_hub import COMMIT, Hub
from support.papers import error_line, record, run, table_of, write_lines, write_splits

SPLITS = {"train": range(8), "test": range(20, 23), "validation": range(30, 34)}
CARD = "---\nconfigs:\n- config_name: default\n  data_files:\n" + "".join(
    f"  - split: {split}\n    path: data/{split}-*\n" for split in SPLITS
)
SETTINGS = json.dumps({"dataset": {"hub": "any/set", "revision": "v1"}, "control_papers": []})


def as_parquet(table):
    sink = pyarrow.BufferOutputStream()
    pyarrow.parquet.write_table(table, sink)
    return sink.getvalue().to_pybytes()


def repository(**more):
    """Files of a typical dataset repository: two shards of the training split, a dataset card, unrelated files."""
    tables = {split: table_of([record(number) for number in numbers]) for split, numbers in SPLITS.items()}
    shards = {"train-00000-of-00002": tables["train"][:5], "train-00001-of-00002": tables["train"][5:],
              "test-00000-of-00001": tables["test"], "validation-00000-of-00001": tables["validation"]}  # fmt: skip
    data = {f"data/{name}.parquet": as_parquet(shard) for name, shard in shards.items()}
    return {**data, "README.md": f"{CARD}---\n# A card\n".encode(), "model.bin": b"not ours", **more}


def fetch(folder, address, revision="v1", repository="physics/set"):
    environment = {**os.environ, "HF_ENDPOINT": address, "HF_HOME": str(folder / "home"), "HF_HUB_OFFLINE": "0"}
    environment |= {"HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
    return run("fetch.py", "--kind", "dataset", "--repository", repository, "--revision", revision,
               "--folder", folder / "source", "--receipt", folder / "fetched.json", env=environment)  # fmt: skip


def import_from(folder, *source):
    return run("import_dataset.py", *source, "--settings", SETTINGS, "--folder", folder)


def ids_of(folder):
    return {split: read_table(folder / f"{split}.parquet")["id"].to_pylist() for split in SPLITS}


EXPECTED = {split: [record(number)["id"] for number in numbers] for split, numbers in SPLITS.items()}


def test_a_dataset_of_the_hub_is_fetched_once_and_imported_offline(tmp_path):
    hub = Hub("physics/set", repository())
    with hub.serving() as address:
        done = fetch(tmp_path, address)
        assert done.returncode == 0, done.stdout
        assert sorted({path for path, _ in hub.downloads}) == sorted(set(repository()) - {"model.bin"})
        hub.downloads.clear()
        assert fetch(tmp_path, address, revision=COMMIT).returncode == 0
        assert hub.downloads == []
    assert json.loads((tmp_path / "fetched.json").read_text())["commit"] == COMMIT
    done = import_from(tmp_path / "imported", "--source", tmp_path / "source")
    assert "import_dataset imported: 8 train, 3 test, 4 validation; left out: none" in done.stdout
    assert ids_of(tmp_path / "imported") == EXPECTED
    table = read_table(tmp_path / "imported" / "train.parquet")
    assert table.equals(table_of([record(number) for number in SPLITS["train"]]))


def test_an_interrupted_download_resumes(tmp_path):
    large = os.urandom(12_000_000)  # more than the client takes at a time
    hub = Hub("physics/set", {"large.json": large}, cut=11_000_000)
    with hub.serving() as address:
        done = fetch(tmp_path, address)
    assert done.returncode == 0, done.stdout
    (_, first), (_, second) = hub.downloads
    assert (first, second > 0) == (0, True)
    assert (tmp_path / "source" / "large.json").read_bytes() == large


@pytest.mark.parametrize(
    ("wrong", "line"),
    [
        ({"revision": "v2"}, "physics/set at v2: the hub has no such revision; name a commit of the repository"),
        ({"repository": "physics/sat"}, "physics/sat at v1: no such repository on the hub, or private"),
    ],
)
def test_a_missing_repository_or_revision_is_a_one_line_error(tmp_path, wrong, line):
    with Hub("physics/set", repository()).serving() as address:
        assert line in error_line(fetch(tmp_path, address, **wrong))
    assert not (tmp_path / "fetched.json").exists()


def test_without_a_network_the_error_names_the_command_to_run(tmp_path):
    with Hub("physics/set", repository()).serving() as address:
        pass
    line = error_line(fetch(tmp_path, address))
    assert "physics/set at v1: cannot fetch it" in line
    assert line.endswith("run `snakemake fetch` where there is a network")


def folder_of(tmp_path, names):
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(as_parquet(table_of([record(1)])))
    return tmp_path


@pytest.mark.parametrize("validation", ["validation", "valid", "val", "dev"])
def test_splits_are_found_by_the_names_of_files_without_a_card(tmp_path, validation):
    names = ["data/train-00000-of-00001.parquet", "data/test-00000-of-00001.parquet"]
    found = files_by_split(folder_of(tmp_path, [*names, f"data/{validation}-00000-of-00001.parquet"]))
    assert {split: [path.name.split("-")[0] for path in paths] for split, paths in found.items()} == {
        "train": ["train"], "test": ["test"], "validation": [validation],
    }  # fmt: skip


def test_a_missing_split_is_named(tmp_path):
    folder = folder_of(tmp_path, ["train.parquet", "test.parquet"])
    with pytest.raises(FeynTuneError, match=r"no split 'validation'; it has train, test"):
        files_by_split(folder)


def read(files, *control_papers):
    stage = DatasetStage(dataset=Dataset(files=dict.fromkeys(files, "any")), control_papers=list(control_papers))
    splits, dropped, _ = import_dataset({split: [path] for split, path in files.items()}, stage)
    return {split: pyarrow.concat_tables(tables).to_pylist() for split, tables in splits.items()}, dropped


@pytest.fixture
def files(tmp_path):
    """Local files: JSON lines of the snapshot's schema, plain and compressed, and parquet."""
    train = write_lines(tmp_path / "train.jsonl", [record(number) for number in SPLITS["train"]])
    test = tmp_path / "test.json.gz"
    test.write_bytes(gzip.compress(b"".join(json.dumps(record(number)).encode() + b"\n" for number in SPLITS["test"])))
    validation = tmp_path / "validation.parquet"
    pyarrow.parquet.write_table(
        pyarrow.Table.from_pylist([record(number) for number in SPLITS["validation"]], schema=SNAPSHOT), validation
    )
    return {"train": train, "test": test, "validation": validation}


def test_local_files_of_any_kind_give_the_same_columns(files):
    splits, dropped = read(files)
    for split, numbers in SPLITS.items():
        assert splits[split] == table_of([record(number) for number in numbers]).to_pylist()
    assert set(dropped.values()) == {0}


def test_the_program_reads_local_files(files, tmp_path):
    done = import_from(tmp_path / "mine", "--files", *files.values())
    assert done.returncode == 0, done.stdout
    assert ids_of(tmp_path / "mine") == EXPECTED
    summary = json.loads((tmp_path / "mine" / "summary.json").read_text())
    assert summary["rows"] == {"train": 8, "test": 3, "validation": 4}


def test_an_abstract_with_orig_abstract_is_not_cleaned_again(files, tmp_path):
    papers = table_of([record(30), record(31)])
    papers = papers.set_column(papers.column_names.index("abstract"), "abstract", [["Mine.", "My other."]])
    pyarrow.parquet.write_table(papers, files["validation"])
    splits, _ = read(files)
    assert [paper["abstract"] for paper in splits["validation"]] == ["Mine.", "My other."]
    assert splits["validation"][0]["orig_abstract"] == record(30)["abstract"]


def test_columns_of_compatible_arrow_types_are_cast(files):
    papers = table_of([record(30), record(31)])
    large = pyarrow.schema(
        [pyarrow.field(field.name, pyarrow.large_string() if field.type == pyarrow.string() else field.type)
         for field in DATASET]
    )  # fmt: skip
    turned = pyarrow.list_(pyarrow.struct([("created", pyarrow.string()), ("version", pyarrow.string())]))
    large = large.set(large.get_field_index("versions"), pyarrow.field("versions", turned))
    extra = papers.cast(large).append_column("__index_level_0__", [[7, 8]])
    pyarrow.parquet.write_table(extra, files["validation"])
    assert read(files)[0]["validation"] == papers.to_pylist()


def test_unusable_papers_are_left_out_and_counted(files):
    bad = [record(5, abstract=" "), record(6, id=None), record(7), record(7, title="again"), record(21), record(9)]
    copy = record(10, abstract=record(31)["abstract"].upper())
    write_lines(files["train"], [record(0), *bad, copy])
    splits, dropped = read(files, record(9)["id"])
    assert [paper["title"] for paper in splits["train"]] == ["Paper 0", "Paper 7"]
    left_out = {"without_id_or_abstract": 2, "control_papers": 1, "repeated_ids": 2}
    assert dropped == {**left_out, "same_text": 1, "near_duplicates": 0}
    assert len(splits["test"]) == 3


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ({key: value for key, value in record(1).items() if key != "doi"}, "no column 'doi'; it has id, submitter"),
        ({**record(1), "id": 704.0001}, "not JSON lines of papers"),
        ("[1]", "not JSON lines of papers"),
        ("null", "not JSON lines of papers"),
        ("[" * 100_000, "not JSON lines of papers"),
        ("no JSON", "not JSON lines of papers"),
        ({**record(1), "abstract": ""}, "no usable paper in it for the train split"),
    ],
)
def test_a_file_of_the_wrong_content_is_a_one_line_error(files, content, line):
    write_lines(files["train"], [content])
    with pytest.raises(FeynTuneError, match=r"train\.jsonl: ") as caught:
        read(files)
    assert line in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_column_of_parquet_is_named(files):
    papers = table_of([record(30)]).drop_columns(["license"])
    pyarrow.parquet.write_table(papers, files["validation"])
    with pytest.raises(FeynTuneError, match=r"validation\.parquet: no column 'license'"):
        read(files)


@pytest.mark.parametrize(
    ("name", "values", "line"),
    [
        ("id", [704.0001], "column 'id' holds double, not string"),
        ("authors_parsed", ["A"], "column 'authors_parsed' holds string, not list"),
    ],
)
def test_a_column_of_another_type_is_named(files, name, values, line):
    papers = table_of([record(30)])
    pyarrow.parquet.write_table(papers.set_column(papers.column_names.index(name), name, [values]), files["validation"])
    with pytest.raises(FeynTuneError, match=rf"validation\.parquet: {line}"):
        read(files)


INVALID = pyarrow.Array.from_buffers(pyarrow.string(), 1, pyarrow.array([b"\xff"], pyarrow.binary()).buffers())


@pytest.mark.parametrize(
    ("name", "values", "line"),
    [
        ("abstract", INVALID, "column 'abstract' is not valid UTF-8; convert the file to UTF-8"),
        ("title", INVALID, "column 'title' is not valid UTF-8"),
        ("abstract", pyarrow.array([b"a"]), "column 'abstract' holds binary, not string"),
        ("id", pyarrow.nulls(1), "column 'id' holds null, not string"),
        ("abstract", pyarrow.nulls(1), "column 'abstract' holds null, not string"),
        ("abstract", pyarrow.array([True]), "column 'abstract' holds bool, not string"),
    ],
)
def test_a_column_that_is_not_text_is_a_one_line_error(files, name, values, line):
    papers = table_of([record(30)])
    pyarrow.parquet.write_table(papers.set_column(papers.column_names.index(name), name, values), files["validation"])
    with pytest.raises(FeynTuneError, match=rf"validation\.parquet: {line}"):
        read(files)


def test_a_column_of_nulls_that_may_be_missing_is_accepted(files):
    papers = table_of([record(30)])
    empty = papers.set_column(papers.column_names.index("doi"), "doi", pyarrow.nulls(1))
    pyarrow.parquet.write_table(empty, files["validation"])
    assert read(files)[0]["validation"] == papers.to_pylist()


def test_two_columns_of_one_name_are_refused(files):
    papers = table_of([record(30)])
    pyarrow.parquet.write_table(papers.append_column("abstract", papers["abstract"]), files["validation"])
    with pytest.raises(FeynTuneError, match=r"validation\.parquet: several columns 'abstract'; keep one of them"):
        read(files)


def test_invalid_utf8_and_a_byte_order_mark_in_json_lines(files):
    marked = b"\xef\xbb\xbf" + files["train"].read_bytes()
    files["train"].write_bytes(marked)
    assert len(read(files)[0]["train"]) == 8
    files["train"].write_bytes(marked.replace(b"Paper 3", b"Paper \xff"))
    with pytest.raises(FeynTuneError, match="column 'title' is not valid UTF-8"):
        read(files)


def test_a_damaged_file_of_the_user_is_not_called_a_result(files):
    files["validation"].write_bytes(files["validation"].read_bytes()[:-30])
    with pytest.raises(FeynTuneError, match=r"not a readable parquet file \(.*\); if this workflow made it, delete it"):
        read(files)


def test_missing_files_and_unknown_formats_are_errors(files, tmp_path):
    assert "no such file" in error_line(import_from(tmp_path / "none", "--files", *["absent.parquet"] * 3))
    (tmp_path / "train.csv").write_text("id\n")
    with pytest.raises(FeynTuneError, match=r"train\.csv: neither \.parquet nor JSON lines"):
        read({**files, "train": tmp_path / "train.csv"})


def test_a_dataset_of_this_project_can_be_imported(tmp_path):
    numbers = {split: [record(number) for number in SPLITS[split]] for split in SPLITS}
    write_splits(tmp_path, numbers["train"], numbers["test"], numbers["validation"])
    splits, _ = read({split: tmp_path / f"{split}.parquet" for split in SPLITS})
    assert {split: [paper["id"] for paper in papers] for split, papers in splits.items()} == EXPECTED
