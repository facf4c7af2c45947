"""Ten thousand real arXiv records, read by this project and, independently, with the standard library."""

import json
import os
import re
from pathlib import Path

import pytest

from feyntune.config.schema.data import Dataset, DatasetStage
from feyntune.data.selection import build_dataset
from feyntune.data.snapshot import read_snapshot

pytestmark = [
    pytest.mark.real_data,
    pytest.mark.skipif("FEYNTUNE_REAL_DATA" not in os.environ, reason="FEYNTUNE_REAL_DATA names no folder"),
]


@pytest.fixture(scope="module")
def snapshot():
    return Path(os.environ["FEYNTUNE_REAL_DATA"]) / "arxiv" / "arxiv-metadata-sample.jsonl"


@pytest.fixture(scope="module")
def records(snapshot):
    with open(snapshot, encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


@pytest.fixture(scope="module")
def store(snapshot, records, tmp_path_factory):
    path = tmp_path_factory.mktemp("real") / "store.parquet"
    report = read_snapshot(snapshot, path, 2)
    assert (report.papers, report.messages()) == (len(records), [])
    return path


def papers_of(store, **settings):
    splits, dropped, _ = build_dataset(
        store, DatasetStage(dataset=Dataset(snapshot="any", **settings), control_papers=[])
    )
    papers = [paper for tables in splits.values() for table in tables for paper in table.to_pylist()]
    return {paper["id"]: paper for paper in papers}, dropped


def is_withdrawn(record):
    return "withdrawn" in (record["comments"] or "").lower() or re.search("[Ww]ithdrawn", record["abstract"])


@pytest.mark.parametrize(
    ("pattern", "wanted"),
    [
        ("hep-th", lambda categories: categories[0] == "hep-th"),
        ("cs.*", lambda categories: categories[0].startswith("cs.")),
        ("q-bio.*", lambda categories: categories[0].split(".")[0] == "q-bio"),
    ],
)
def test_the_papers_of_a_category_are_all_there_cleaned(store, records, pattern, wanted):
    papers, dropped = papers_of(store, categories=[pattern])
    expected = {record["id"]: record for record in records if wanted(record["categories"].split())}
    withdrawn = {identifier for identifier, record in expected.items() if is_withdrawn(record)}
    assert dropped["withdrawn"] == len(withdrawn)
    assert len(papers) == len(expected) - len(withdrawn) - dropped["same_text"] - dropped["near_duplicates"]
    for identifier, paper in papers.items():
        assert identifier not in withdrawn
        assert paper["orig_abstract"] == expected[identifier]["abstract"]
        assert paper["abstract"] == re.sub(r"\n\s*", " ", expected[identifier]["abstract"]).strip()


def test_signatures_dashes_and_second_languages_are_not_cut(store, records):
    papers, _ = papers_of(store, categories=["*"])
    dashed = [record for record in records if re.search("-{5,}", record["abstract"]) and record["id"] in papers]
    assert any("$+-----$" in record["abstract"] for record in dashed)
    for record in dashed:
        assert papers[record["id"]]["abstract"].split() == record["abstract"].split()


def test_papers_of_old_and_new_ids_have_their_years(store):
    until, _ = papers_of(store, categories=["hep-th"], until="1993-12-31")
    since, _ = papers_of(store, categories=["hep-th"], since="2015-01-01")
    assert until and since
    assert all(identifier.startswith("hep-th/9") for identifier in until)
    assert all(re.match(r"(1[5-9]|2\d)\d\d\.", identifier) for identifier in since)
