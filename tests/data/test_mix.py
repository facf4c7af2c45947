"""Mixtures: every row of the paper's table in each split, and training splits without held-out abstracts."""

from fractions import Fraction
from math import floor
from pathlib import Path

import numpy as np
import pyarrow
import pytest
import yaml

from feyntune.config.load import parse_configuration
from feyntune.config.schema.data import Dataset, Leaks, MixtureStage, Part
from feyntune.core.errors import FeynTuneError
from feyntune.data.leakage import near_duplicates, without_leaks
from feyntune.data.mix import mix_datasets, mix_split, part_rows
from support.papers import record, table_of, write_splits

PAPER = Path(__file__).resolve().parents[2] / "config" / "paper.yaml"
SPLITS = ("train", "test", "validation")
SIZES = {
    "hep-th": (1053, 226, 225), "hep-ph": (1321, 283, 283), "gr-qc": (641, 138, 137), "q-bio": (293, 63, 62),
    "cs": (2000, 429, 428), "hep-ph_gr-qc": (1962, 421, 420),
}  # fmt: skip
"""Rows of the paper's datasets, divided by a hundred."""


def parts_of(*parts):
    return Dataset(mix=list(parts)).mix


def sizes(**given):
    return {name: dict(zip(SPLITS, rows, strict=True)) for name, rows in given.items()}


def paper_mixture(name):
    return parse_configuration(yaml.safe_load(PAPER.read_text())).datasets[name].mix


def percent(share, rows):
    """A percentage of the rows, rounded down."""
    return floor(Fraction(share, 100) * rows)


TABLE = {
    "hep-ph_gr-qc": lambda th, ph, gr, qb, cs, phgr: {"hep-ph": ph, "gr-qc": gr},
    "hep-th_hep-ph_gr-qc": lambda th, ph, gr, qb, cs, phgr: {"hep-th": th, "hep-ph_gr-qc": phgr},
    "hep-th_gr-qc": lambda th, ph, gr, qb, cs, phgr: {"hep-th": th, "gr-qc": gr},
    "hep-th_hep-ph": lambda th, ph, gr, qb, cs, phgr: {"hep-th": th, "hep-ph": ph},
    "gr-qc_hep-ph_small": lambda th, ph, gr, qb, cs, phgr: {
        "gr-qc": floor(gr * Fraction(th, gr + ph)),
        "hep-ph": th - floor(gr * Fraction(th, gr + ph)),
    },
    "hep-th_85_gr-qc_15": lambda th, ph, gr, qb, cs, phgr: {
        "hep-th": th - percent(15, th), "gr-qc": percent(15, th),
    },
    "hep-th_85_hep-ph_15": lambda th, ph, gr, qb, cs, phgr: {
        "hep-th": th - percent(15, th), "hep-ph": percent(15, th),
    },
    "hep-th_70_gr-qc_15_hep-ph_15": lambda th, ph, gr, qb, cs, phgr: {
        "hep-th": th - 2 * percent(15, th), "gr-qc": percent(15, th), "hep-ph": percent(15, th),
    },
    "hep-th_qbio_cs": lambda th, ph, gr, qb, cs, phgr: {"hep-th": th, "q-bio": qb, "cs": gr + ph - qb},
}  # fmt: skip
"""The paper's mixtures: rows of each part, given the rows of hep-th, hep-ph, gr-qc, q-bio, cs and hep-ph_gr-qc."""


@pytest.mark.parametrize("name", TABLE)
def test_the_mixtures_of_the_paper_have_the_rows_of_the_paper_in_each_split(name):
    parts = paper_mixture(name)
    counts = part_rows(parts, sizes(**SIZES))
    for number, split in enumerate(SPLITS):
        expected = TABLE[name](*(SIZES[each][number] for each in SIZES))
        assert dict(zip((part.dataset for part in parts), counts[split], strict=True)) == expected


def test_the_shipped_configuration_has_every_mixture_of_the_table():
    every = parse_configuration(yaml.safe_load(PAPER.read_text())).datasets
    assert {name for name, dataset in every.items() if dataset.kind == "mix"} == set(TABLE)


def test_mixtures_with_front_rows_take_the_first_rows_of_hep_th():
    for name in ("hep-th_85_gr-qc_15", "hep-th_85_hep-ph_15", "hep-th_70_gr-qc_15_hep-ph_15"):
        assert [part.take for part in paper_mixture(name) if part.dataset == "hep-th"] == ["front"]


def test_fractions_are_exact():
    """0.29 × 100 is 28.999999999999996 in floating point."""
    assert part_rows(parts_of(Part(dataset="a", fraction=0.29)), sizes(a=(100, 100, 100)))["train"] == [29]


def test_a_number_of_rows_is_divided_over_the_splits():
    rows = part_rows(parts_of(Part(dataset="a", rows=100)), sizes(a=(699, 150, 151)))
    assert rows == {"train": [70], "test": [15], "validation": [15]}


@pytest.mark.parametrize("rows", [3, 10, 11, 997, 999, 1000])
def test_no_row_is_lost_in_the_division(rows):
    counts = part_rows(parts_of(Part(dataset="a", rows=rows)), sizes(a=(334, 333, 333)))
    assert sum(count for (count,) in counts.values()) == rows


@pytest.mark.parametrize(
    ("parts", "line"),
    [
        ([Part(dataset="a", fraction=1.5)], "train split: 150 rows wanted of 'a', which has 100"),
        ([Part(dataset="a", fraction=0.05)], "test split: 0 rows wanted of 'a', which has 10"),
        (["b", Part(dataset="a", total="a")], "train split: -100 rows wanted of 'a', which has 100"),
        (["b", Part(dataset="a", total=["b", "b"])], "train split: 200 rows wanted of 'a', which has 100"),
    ],
)
def test_more_rows_than_there_are_and_fewer_than_one_are_errors(parts, line):
    with pytest.raises(FeynTuneError, match=line):
        part_rows(parts_of(*parts), sizes(a=(100, 10, 10), b=(200, 20, 20)))


def numbered(*numbers):
    return table_of([record(number) for number in numbers])


def test_a_mixture_holds_the_parts_shuffled():
    tables = [numbered(*range(10)), numbered(*range(10, 30))]
    papers, rows, repeated = mix_split(parts_of("a", "b"), tables, [10, 20], seed=1)
    ids = papers["id"].take(rows).to_pylist()
    assert repeated == 0
    assert sorted(ids) == [record(number)["id"] for number in range(30)] != ids
    _, other, _ = mix_split(parts_of("a", "b"), tables, [10, 20], seed=2)
    assert other.tolist() != rows.tolist()


def test_the_shuffle_is_that_of_the_library_datasets():
    import datasets

    _, rows, _ = mix_split(parts_of("a"), [numbered(*range(50))], [50], seed=42)
    drawn = np.random.default_rng(42).permutation(50)
    shuffled = datasets.Dataset.from_dict({"row": drawn.tolist()}).shuffle(seed=42)["row"]
    front = mix_split(parts_of(Part(dataset="a", take="front")), [numbered(*range(50))], [50], seed=42)[1]
    assert rows.tolist() == list(shuffled)
    assert front.tolist() == list(datasets.Dataset.from_dict({"row": list(range(50))}).shuffle(seed=42)["row"])


def test_rows_from_the_front_are_the_first_and_sampled_ones_are_not():
    _, front, _ = mix_split(parts_of(Part(dataset="a", take="front")), [numbered(*range(30))], [9], seed=1)
    _, sample, _ = mix_split(parts_of("a"), [numbered(*range(30))], [9], seed=1)
    assert sorted(front) == list(range(9)) != sorted(sample)
    assert len(set(sample.tolist())) == 9


def test_a_paper_of_two_parts_is_taken_once():
    papers, rows, repeated = mix_split(parts_of("a", "b"), [numbered(1, 2, 3), numbered(3, 4)], [3, 2], seed=1)
    assert sorted(papers["id"].take(rows).to_pylist()) == [record(number)["id"] for number in (1, 2, 3, 4)]
    assert repeated == 1


def with_words(number, words):
    return record(number, abstract=" ".join(words))


LONG = [f"word{number}" for number in range(100)]


@pytest.mark.parametrize(("threshold", "found"), [(0.5, [0, 1, 2]), (0.9, [1, 2]), (0.95, [2]), (0.99, [2])])
def test_near_duplicates_are_those_above_the_threshold(threshold, found):
    papers = table_of(
        [
            with_words(0, [*LONG[:80], *(f"new{number}" for number in range(20))]),  # 78 of 118: 0.66
            with_words(1, [*LONG[:50], "other", *LONG[51:]]),  # 95 of 101: 0.94
            with_words(2, ["WORD0", *LONG[1:]]),
            with_words(3, reversed(LONG)),
        ]
    )
    unseen = table_of([record(9), with_words(8, LONG)])
    pairs = near_duplicates(papers, np.arange(4), unseen, Leaks(threshold=threshold))
    assert [row for row, _, _ in pairs] == found
    assert all(other == 1 and likeness >= threshold for _, other, likeness in pairs)


def test_few_near_duplicates_are_missed():
    """Two hundred pairs at similarity 136/160, threshold 0.8: the locality-sensitive hash finds nearly all."""
    draw = np.random.default_rng(0)
    originals, copies = [], []
    for number in range(200):
        words = [f"w{word}" for word in draw.integers(0, 10**6, 150)]
        originals.append(with_words(number, words))
        copies.append(with_words(1000 + number, [*words[:138], *(f"n{word}" for word in range(12))]))
    pairs = near_duplicates(table_of(copies), np.arange(200), table_of(originals), Leaks())
    assert all(row == other for row, other, _ in pairs)
    assert len(pairs) > 190


def test_each_leak_is_counted_under_the_first_reason():
    same_text = record(3, abstract=record(12)["abstract"].upper())
    papers = table_of([record(1), record(2), same_text, with_words(4, [*LONG[:99], "end"])])
    unseen = table_of([record(1, abstract="Another text."), record(12), with_words(13, LONG)])
    rows, counts, examples = without_leaks(papers, np.array([3, 2, 1, 0]), unseen, Leaks())
    assert rows.tolist() == [1]
    assert counts == {"same_id": 1, "same_text": 1, "near_duplicates": 1}
    assert examples == [{"dropped": record(4)["id"], "for": record(13)["id"], "similarity": round(97 / 99, 3)}]


def test_without_a_threshold_near_duplicates_stay():
    papers, unseen = table_of([with_words(4, [*LONG[:99], "end"])]), table_of([with_words(13, LONG)])
    rows, counts, _ = without_leaks(papers, np.array([0]), unseen, Leaks(threshold=None))
    assert (rows.tolist(), counts["near_duplicates"]) == ([0], 0)


def test_a_mixture_does_not_train_on_abstracts_that_its_parts_hold_out(tmp_path):
    """Part b trains on what a tests on, a trains on what b validates on, and both on what runs are evaluated on."""
    judged = record(300)
    shared, retold = record(10), record(51, abstract=record(250)["abstract"].replace(" ", "  "))
    write_splits(tmp_path / "a", [*map(record, range(5)), retold], [shared, record(11)], [record(20)])
    write_splits(tmp_path / "b", [*map(record, range(30, 36)), shared, judged], [record(40)], [record(250)])
    write_splits(tmp_path / "judged", [record(60)], [judged], [record(62)])
    stage = MixtureStage(dataset=Dataset(mix=["a", "b"]), leaks=Leaks())
    held_out = [tmp_path / name / f"{split}.parquet" for name in "ab" for split in ("test", "validation")]
    splits, dropped, _ = mix_datasets(stage, tmp_path, [*held_out, tmp_path / "judged/test.parquet"])
    splits = {split: pyarrow.concat_tables(tables) for split, tables in splits.items()}
    expected = [record(number)["id"] for number in (*range(5), *range(30, 36))]
    assert sorted(splits["train"]["id"].to_pylist()) == sorted(expected)
    assert dropped == {"repeated_ids": 0, "same_id": 2, "same_text": 1, "near_duplicates": 0}
    assert sorted(splits["test"]["id"].to_pylist()) == sorted(record(number)["id"] for number in (10, 11, 40))
    assert splits["train"].column_names == splits["test"].column_names
