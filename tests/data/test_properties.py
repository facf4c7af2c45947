"""Whatever stands on the lines of a snapshot: good papers are read, every other line is counted or explained."""

import json

import hypothesis
from hypothesis import strategies

from feyntune.core.errors import FeynTuneError
from feyntune.data.json_lines import parse
from feyntune.data.snapshot import read_snapshot
from support.papers import record

BOUNDED = hypothesis.settings(derandomize=True, max_examples=100, deadline=None, database=None)
FIELDS = ("id", "categories", "abstract", "title", "versions", "authors_parsed", "update_date")
JSON = strategies.recursive(
    strategies.none() | strategies.booleans() | strategies.integers() | strategies.floats() | strategies.text(),
    lambda inner: strategies.lists(inner, max_size=3) | strategies.dictionaries(strategies.text(), inner, max_size=3),
    max_leaves=5,
)
GOOD = strategies.integers(0, 999).map(lambda number: json.dumps(record(number)).encode())
CHANGED = strategies.builds(
    lambda number, field, value: json.dumps({**record(number), field: value}).encode(),
    strategies.integers(0, 999), strategies.sampled_from(FIELDS), JSON,
)  # fmt: skip
CUT = strategies.builds(lambda line, share: line[: int(len(line) * share)], GOOD, strategies.floats(0, 1))
ANYTHING = strategies.binary(max_size=40).map(lambda line: line.replace(b"\n", b""))
TWO = strategies.builds(lambda one, two: one + two, GOOD, GOOD)
LINES = strategies.lists(GOOD | CHANGED | CUT | ANYTHING | TWO | JSON.map(json.dumps).map(str.encode), max_size=8)


TWO_ON_A_LINE = [json.dumps(record(number)).encode() for number in (1, 2)]


@BOUNDED
@hypothesis.example([b"".join(TWO_ON_A_LINE), b""], True)
@hypothesis.given(LINES, strategies.booleans())
def test_no_line_is_lost_in_silence(lines, ends):
    parsed = parse(b"\n".join(lines) + (b"\n" if ends and lines else b""))
    reported = [number for number, _ in parsed.faults]
    assert parsed.papers.num_rows + sum(parsed.without.values()) + len(reported) <= len(lines)
    blank = sum(not line.strip() for line in lines)
    assert parsed.papers.num_rows + sum(parsed.without.values()) + len(reported) + blank == len(lines)
    assert reported == sorted(set(reported)) and all(1 <= number <= len(lines) for number in reported)
    assert all(fault.isprintable() and fault for _, fault in parsed.faults)


@BOUNDED
@hypothesis.given(strategies.lists(strategies.integers(0, 999), min_size=1, max_size=5, unique=True), LINES)
def test_bad_neighbours_cost_no_good_paper(numbers, lines):
    good = [json.dumps(record(number)).encode() for number in numbers]
    block = b"\n".join(line for pair in zip(good, [*lines, *good], strict=False) for line in pair) + b"\n"
    ids = parse(block).papers["id"].to_pylist()
    assert {record(number)["id"] for number in numbers} <= set(ids)


@hypothesis.settings(BOUNDED, max_examples=60, suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture])
@hypothesis.given(LINES)
def test_a_snapshot_is_read_or_refused_in_one_line(tmp_path, lines):
    path, store = tmp_path / "s.jsonl", tmp_path / "s.parquet"
    path.write_bytes(b"\n".join(lines))
    store.unlink(missing_ok=True)
    try:
        assert read_snapshot(path, store, 1).papers > 0
    except FeynTuneError as error:
        line = str(error)
        assert line.isprintable() and len(line.replace(str(tmp_path), "")) <= 300 and not store.exists()
