"""Which papers a dataset takes and how they are split; their order in the snapshot does not matter."""

import collections
import datetime
import random

import numpy as np
import pyarrow
import pytest

from feyntune.config.schema.data import Dataset, DatasetStage
from feyntune.core.errors import FeynTuneError
from feyntune.core.files import read_table
from feyntune.data.papers import first_days, month_in_id, primary_categories
from feyntune.data.selection import build_dataset, has_category, select_papers, split_rows
from feyntune.data.snapshot import read_snapshot
from support.papers import record, write_lines


def store_of(folder, records, name="store"):
    write_lines(folder / f"{name}.jsonl", records)
    read_snapshot(folder / f"{name}.jsonl", folder / f"{name}.parquet", 1)
    return folder / f"{name}.parquet"


def dataset(**settings):
    return Dataset(snapshot="any", **{"categories": ["hep-th"], **settings})


def selected(store, *control_papers, **settings):
    """Ids that are selected, sorted."""
    rows = select_papers(store, dataset(**settings), list(control_papers))
    return sorted(read_table(store)["id"].take(rows).to_pylist())


def built(store, *control_papers, **settings):
    """Papers by split as lists of dicts, and what was dropped."""
    splits, dropped, _ = build_dataset(
        store, DatasetStage(dataset=dataset(**settings), control_papers=list(control_papers))
    )
    return {split: pyarrow.concat_tables(tables).to_pylist() for split, tables in splits.items()}, dropped


def ids_of(papers):
    return [paper["id"] for paper in papers]


LISTED = [
    "hep-th",
    "hep-th gr-qc",
    "gr-qc hep-th",
    "cs.LG",
    "cs",
    "csx.AI",
    "math.AG hep-th",
    "hep-thx",
    " hep-th cs.AI",
]


@pytest.mark.parametrize(
    ("patterns", "match", "expected"),
    [
        (["hep-th"], "primary", [0, 1, 8]),
        (["hep-th"], "any", [0, 1, 2, 6, 8]),
        (["cs.*"], "primary", [3, 4]),
        (["cs.*"], "any", [3, 4, 8]),
        (["cs.LG", "gr-qc"], "primary", [2, 3]),
        (["cs"], "primary", [4]),
        (["*"], "primary", list(range(9))),
        (["hep-ph"], "any", []),
    ],
)
def test_categories_match_whole_and_archives_include_their_categories(patterns, match, expected):
    found = has_category(pyarrow.array(LISTED), patterns, match).to_pylist()
    assert [row for row, wanted in enumerate(found) if wanted] == expected


def test_the_primary_category_is_the_first_word():
    assert primary_categories(pyarrow.array([" hep-th cs.AI", "gr-qc"])).to_pylist() == ["hep-th", "gr-qc"]


@pytest.mark.parametrize(
    ("identifier", "day"),
    [
        ("hep-th/9901001", datetime.date(1999, 1, 1)),
        ("math.AG/0607123", datetime.date(2006, 7, 1)),
        ("hep-th/9107001", datetime.date(1991, 7, 1)),
        ("0704.0001", datetime.date(2007, 4, 1)),
        ("2401.00001", datetime.date(2024, 1, 1)),
        ("2413.00001", None),
        ("mine", None),
    ],
)
def test_old_and_new_ids_contain_the_month(identifier, day):
    assert month_in_id(identifier) == day


def test_the_date_is_that_of_the_first_version_or_the_month_in_the_id():
    created = [
        [{"version": "v1", "created": "Sun, 31 Mar 2013 23:59:59 GMT"}, {"version": "v2", "created": "x"}],
        [{"version": "v1", "created": "yesterday"}],
        [],
        None,
    ]
    papers = pyarrow.table({"id": ["1304.0001", "1304.0002", "hep-th/9203001", "odd"], "versions": created})
    expected = [datetime.date(2013, 3, 31), datetime.date(2013, 4, 1), datetime.date(1992, 3, 1), None]
    assert first_days(papers).to_pylist() == expected


def test_a_range_of_dates_includes_both_ends(tmp_path):
    days = ["Thu, 31 Dec 2009", "Fri, 1 Jan 2010", "Sun, 31 Jan 2010", "Mon, 1 Feb 2010"]
    records = [
        record(number, versions=[{"version": "v1", "created": f"{day} 12:00:00 GMT"}])
        for number, day in enumerate(days)
    ]
    store = store_of(tmp_path, records)
    assert selected(store, since="2010-01-01", until="2010-01-31") == [records[1]["id"], records[2]["id"]]
    assert selected(store, until="2009-12-31") == [records[0]["id"]]
    assert selected(store, since=datetime.date(2010, 2, 1)) == [records[3]["id"]]
    with pytest.raises(FeynTuneError, match="no paper of hep-th from 2020-01-01 until None"):
        selected(store, since="2020-01-01")


def test_control_papers_are_in_no_selection(tmp_path):
    records = [record(number) for number in range(5)]
    store = store_of(tmp_path, records)
    assert selected(store, records[3]["id"], "1234.56789") == [records[number]["id"] for number in (0, 1, 2, 4)]


def test_the_error_for_a_missing_category_lists_those_of_the_snapshot(tmp_path):
    store = store_of(tmp_path, [record(0, "gr-qc"), record(1, "gr-qc"), record(2, "cs.LG hep-th")])
    with pytest.raises(FeynTuneError, match=r"no paper whose primary category is hep-th;.* gr-qc \(2\), cs.LG \(1\)"):
        selected(store)
    assert selected(store, match="any") == [record(2)["id"]]


def test_a_sample_has_the_given_size_and_depends_on_the_seed(tmp_path):
    store = store_of(tmp_path, [record(number) for number in range(60)])
    first, again, other = (selected(store, sample=20, seed=seed) for seed in (1, 1, 2))
    assert first == again != other
    assert len(set(first)) == 20
    assert selected(store, sample=1000) == selected(store)


def test_rows_are_split_as_the_library_datasets_does_it():
    import datasets

    whole = datasets.Dataset.from_dict({"row": list(range(1234))})
    first = whole.train_test_split(test_size=0.3, seed=42)
    second = first["test"].train_test_split(test_size=0.5, seed=42)
    rows = split_rows([str(number) for number in range(1234)], "shuffle", 42)
    assert rows["train"].tolist() == first["train"]["row"]
    assert rows["test"].tolist() == second["test"]["row"]
    assert rows["validation"].tolist() == second["train"]["row"]


@pytest.mark.parametrize(
    ("papers", "sizes"),
    [(105_384, (73_768, 15_808, 15_808)), (10, (7, 2, 1)), (11, (7, 2, 2)), (100, (70, 15, 15)), (4, (2, 1, 1))],
)
def test_the_sizes_of_the_splits(papers, sizes):
    """The first is the published hep-th_primary."""
    rows = split_rows(range(papers), "shuffle", 42)
    assert tuple(len(rows[split]) for split in ("train", "test", "validation")) == sizes
    assert sorted(np.concatenate(list(rows.values()))) == list(range(papers))


@pytest.mark.parametrize(("count", "empty"), [(0, "train"), (1, "train"), (2, "validation"), (3, "validation")])
def test_a_split_that_would_be_empty_is_an_error_that_names_it(count, empty):
    with pytest.raises(FeynTuneError, match=f"{count} papers leave the {empty} split empty"):
        split_rows([str(number) for number in range(count)], "shuffle", 42)


def test_by_hash_the_split_of_a_paper_does_not_depend_on_other_papers():
    many = [f"2401.{number:05d}" for number in range(4000)]
    few = many[::7]
    rows, rows_of_few = split_rows(many, "hash", 1), split_rows(few, "hash", 1)
    for split in rows:
        kept = [many[row] for row in rows[split]]
        assert [few[row] for row in rows_of_few[split]] == [each for each in kept if each in set(few)]
    shares = [len(rows[split]) / 4000 for split in ("train", "test", "validation")]
    assert shares == pytest.approx([0.7, 0.15, 0.15], abs=0.03)  # five standard deviations
    assert [len(each) for each in split_rows(many, "hash", 2).values()] != [len(each) for each in rows.values()]


def odd_records():
    """Eighty papers, some of them withdrawn, one text twice."""
    records = [record(number, ["hep-th", "hep-th gr-qc", "gr-qc"][number % 3]) for number in range(80)]
    records[3]["comments"] = "Withdrawn"
    records[6]["abstract"] = "  This is withdrawn.\n"
    return records


@pytest.mark.parametrize("split", ["shuffle", "hash"])
@pytest.mark.parametrize("sample", [None, 40])
def test_the_order_of_the_snapshot_changes_nothing(tmp_path, split, sample):
    records = odd_records()
    store = store_of(tmp_path, records, "one")
    random.Random(1).shuffle(records)
    other = store_of(tmp_path, records, "other")
    assert built(store, split=split, sample=sample) == built(other, split=split, sample=sample)


def test_a_dataset_has_each_wanted_paper_once_cleaned_and_no_withdrawn_one(tmp_path):
    records = odd_records()
    splits, dropped = built(store_of(tmp_path, records))
    papers = [paper for split in splits.values() for paper in split]
    wanted = {each["id"]: each for each in records if each["categories"].startswith("hep-th")}
    assert sorted(ids_of(papers)) == sorted(wanted.keys() - {records[3]["id"], records[6]["id"]})
    assert dropped == {"withdrawn": 2, "same_text": 0, "near_duplicates": 0}
    for paper in papers:
        assert paper["orig_abstract"] == wanted[paper["id"]]["abstract"]
        assert paper["abstract"] == paper["orig_abstract"].strip()
        rest = {key: value for key, value in paper.items() if key not in ("abstract", "orig_abstract")}
        assert rest == {key: value for key, value in wanted[paper["id"]].items() if key != "abstract"}


def test_the_sample_is_drawn_before_withdrawn_papers_are_dropped(tmp_path):
    records = [record(number, comments="withdrawn" if number % 2 else None) for number in range(100)]
    splits, dropped = built(store_of(tmp_path, records), sample=50)
    assert sum(map(len, splits.values())) + dropped["withdrawn"] == 50


def test_a_text_of_the_unseen_splits_is_dropped_from_training(tmp_path):
    records = [record(number) for number in range(40)]
    store = store_of(tmp_path, records)
    splits, _ = built(store)
    unseen, train = splits["test"][0], splits["train"][0]
    by_id = {each["id"]: each for each in records}
    by_id[train["id"]]["abstract"] = "  " + unseen["abstract"].upper().replace(" ", "\n  ")
    again, dropped = built(store_of(tmp_path, records, "again"))
    assert dropped == {"withdrawn": 0, "same_text": 1, "near_duplicates": 0}
    assert ids_of(again["train"]) == ids_of(splits["train"])[1:]
    assert ids_of(again["test"]) == ids_of(splits["test"])


def test_splits_are_disjoint(tmp_path):
    splits, _ = built(store_of(tmp_path, odd_records()), match="any", categories=["hep-th", "gr-qc"])
    counts = collections.Counter(identifier for papers in splits.values() for identifier in ids_of(papers))
    assert set(counts.values()) == {1}
