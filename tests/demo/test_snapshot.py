"""The synthetic snapshot: the format and faults of arXiv's, and fields with their own words and second halves."""

import json
import random
import re
from itertools import combinations
from pathlib import Path

import pytest

from feyntune.core.errors import FeynTuneError
from feyntune.data.prompts import split_abstract
from feyntune.demo.fields import load_fields
from feyntune.demo.snapshot import make_record, snapshot_lines
from feyntune.demo.texts import snapshot_texts
from feyntune.demo.writing import Paper, write_paper

FIELDS = load_fields()
CONTROL = ["1804.08625", "1404.0016"]
KEYS = (
    "id submitter authors title comments journal-ref doi report-no categories license abstract versions update_date"
    " authors_parsed"
).split()
SLOT = re.compile(r"<([a-z_.]+)>")


@pytest.fixture(scope="module")
def lines():
    return list(snapshot_lines(3000, CONTROL, seed=7))


@pytest.fixture(scope="module")
def records(lines):
    return [record for record in map(parsed, lines) if record]


def parsed(line):
    try:
        return json.loads(line)
    except ValueError:
        return None


def whole(records):
    """Records in which nothing is missing or withdrawn."""
    return [record for record in records if record["categories"] and "." in (record["abstract"] or "")]


def papers(field, count, guest=None):
    rng = random.Random(11)
    return [write_paper(FIELDS[field], guest, rng) for _ in range(count)]


def test_one_seed_gives_one_snapshot(lines):
    assert list(snapshot_lines(3000, CONTROL, seed=7)) == lines
    assert list(snapshot_lines(3000, CONTROL, seed=8)) != lines


def test_records_have_the_fields_of_the_kaggle_snapshot(records):
    assert all(list(record) == KEYS for record in records)
    assert all(record["authors_parsed"] and record["versions"][0]["version"] == "v1" for record in records)
    created = records[0]["versions"][0]["created"]
    assert re.fullmatch(r"[A-Z][a-z]{2}, \d{1,2} [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT", created)
    for key in ("comments", "journal-ref", "doi", "report-no", "license"):
        values = [record[key] for record in records]
        assert None in values and any(values)


def test_abstracts_break_lines_as_arxiv_does(records):
    abstracts = [record["abstract"] for record in whole(records)]
    assert all(re.match(r"  \S", abstract) and abstract.endswith(".\n") for abstract in abstracts)
    assert max(len(line) for abstract in abstracts for line in abstract.splitlines()) <= 79
    assert sum("\n" in abstract.strip() for abstract in abstracts) > 0.95 * len(abstracts)


def test_ids_follow_arxivs_schemes_of_their_time(records):
    patterns = {"old": r"[a-z-]+/\d{7}", "four": r"(0[7-9]|1[0-4])\d\d\.\d{4}", "five": r"(1[5-9]|2\d)\d\d\.\d{5}"}
    kinds = [[kind for kind, pattern in patterns.items() if re.fullmatch(pattern, record["id"])] for record in records]
    assert all(len(kind) == 1 for kind in kinds)
    assert {kind[0] for kind in kinds} == set(patterns)
    assert all(record["id"].startswith(record["categories"].split(".")[0].split()[0])
               for record in records if "/" in record["id"] and record["categories"])  # fmt: skip


def test_control_papers_are_complete_hep_th_papers(records):
    found = {record["id"]: record for record in records if record["id"] in CONTROL}
    assert set(found) == set(CONTROL)
    assert all(record["categories"].split()[0] == "hep-th" for record in found.values())
    assert all(record["versions"][0]["created"].split()[3] == f"20{name[:2]}" for name, record in found.items())


def test_a_control_paper_without_an_arxiv_id_is_refused():
    with pytest.raises(FeynTuneError, match=r"'1813\.0001' is not an arXiv id"):
        list(snapshot_lines(100, ["1813.0001"], seed=1))


@pytest.mark.parametrize(
    ("rate", "fault"),
    [
        (0.006, lambda record: "Withdrawn" in (record["comments"] or "")),
        (0.006, lambda record: "withdrawn" in (record["abstract"] or "")),
        (0.002, lambda record: record["abstract"] is None),
        (0.002, lambda record: record["abstract"] is not None and not record["abstract"].strip()),
        (0.002, lambda record: record["categories"] is None),
    ],
)
def test_faulty_records_are_there_and_rare(records, rate, fault):
    assert 0 < sum(map(fault, records)) / len(records) < 3 * rate


def test_lines_that_are_no_json_and_ids_listed_twice_are_there_and_rare(lines, records):
    ids = [record["id"] for record in records]
    assert 0 < len(lines) - len(records) < 0.01 * len(lines)
    assert 0 < len(ids) - len(set(ids)) < 0.01 * len(ids)
    assert len(set(ids)) == 3000 + len(CONTROL)


def test_every_field_has_its_fraction_and_is_cross_listed(records):
    primaries = [record["categories"].split()[0].split(".")[0] for record in whole(records)]
    shares = {field: primaries.count(field) / len(primaries) for field in FIELDS}
    assert min(shares.values()) > 0.12 and shares["hep-th"] == max(shares.values())
    assert any(record["categories"].startswith("gr-qc hep-th") for record in whole(records))


def test_every_slot_of_every_template_can_be_filled():
    for name, field in FIELDS.items():
        own = {"twist", "echo", *field.subjects[0]}
        known = own | {f"other.{key}" for key in own} | set(field.words)
        templates = [*field.titles, *field.openings, *field.elaborations, *field.results, *field.conclusions]
        templates += [
            *field.single_sentences,
            *field.mentions,
            *(text for texts in field.words.values() for text in texts),
        ]
        unknown = [slot for template in templates for slot in SLOT.findall(template) if slot not in known]
        assert not unknown, name


def test_mentions_can_be_written_by_the_fields_that_make_them():
    for field in FIELDS.values():
        for guest in map(FIELDS.get, field.guests):
            known = {f"other.{key}" for key in ("twist", "echo", *guest.subjects[0])} | set(field.words)
            assert known.issuperset(slot for template in guest.mentions for slot in SLOT.findall(template))


def test_no_template_slot_is_left():
    texts = [text for field in FIELDS for paper in papers(field, 200) for text in (paper.title, paper.abstract)]
    assert not any(SLOT.search(text) for text in texts)
    assert not any(re.search(r"\b[Aa] [aeio]|\.\.|  ", text) for text in texts)


def test_fields_have_words_of_their_own():
    words = {
        name: {
            word for subject in field.subjects for word in re.findall(r"[a-z]{5,}", " ".join(subject.values()).lower())
        }
        for name, field in FIELDS.items()
    }
    for one, other in combinations(words, 2):
        assert len(words[one] & words[other]) < 0.2 * min(len(words[one]), len(words[other])), (one, other)


@pytest.mark.parametrize("field", FIELDS)
def test_the_second_half_returns_to_the_first_in_the_fields_own_way(field):
    circumstances = FIELDS[field].circumstances
    halves = [split_abstract(paper.abstract) for paper in papers(field, 300) if paper.abstract.count(". ") > 0]
    seen = [(twist, echo, prompt, truth) for prompt, truth in halves for twist, echo in circumstances.items()]
    introduced = [twist in prompt for twist, _, prompt, _ in seen]
    assert sum(introduced) > 0.9 * len(halves)
    returning = [echo in truth for (_, echo, _, truth), there in zip(seen, introduced, strict=True) if there]
    elsewhere = [echo in truth for (_, echo, _, truth), there in zip(seen, introduced, strict=True) if not there]
    assert sum(returning) > 0.6 * len(returning)
    assert sum(elsewhere) < 0.05 * len(elsewhere)


def test_abstracts_have_one_to_five_sentences():
    counts = {len(re.split(r"(?<=[.!?])\s+", paper.abstract)) for field in FIELDS for paper in papers(field, 200)}
    assert counts == {1, 2, 3, 4, 5}


def test_a_guest_adds_its_category():
    crossed = papers("hep-th", 50, guest=FIELDS["gr-qc"])
    assert {paper.categories for paper in crossed} == {("hep-th", "gr-qc")}
    assert {paper.categories for paper in papers("hep-th", 50)} == {("hep-th",)}


def test_long_titles_are_indented_from_the_second_line_on():
    paper = Paper("a long title " * 10, "An abstract.", ("hep-th",))
    title = make_record(paper, random.Random(1), set())["title"]
    assert all(line.startswith("  ") for line in title.splitlines()[1:]) and "\n" in title


def test_texts_are_read_back_without_faulty_lines_and_unwanted_categories(tmp_path, lines, records):
    path = Path(tmp_path / "snapshot.jsonl")
    path.write_text("\n".join(lines))
    texts, outside = snapshot_texts(path), snapshot_texts(path, without=["hep-th"])
    readable = [record for record in records if record["categories"] and (record["abstract"] or "").strip()]
    assert len(texts) == len(readable)
    assert len(outside) == sum(record["categories"].split()[0] != "hep-th" for record in readable)
    assert not any("\n" in text for text in texts)
