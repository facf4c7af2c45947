"""From a store of papers to a dataset: select papers by category and date, draw a sample, and split."""

from __future__ import annotations

import datetime
import hashlib
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.compute as pc
from numpy.typing import NDArray

from feyntune.config.schema.data import Dataset, DatasetStage
from feyntune.core.errors import FeynTuneError, listed
from feyntune.data.dataset_files import DatasetContent
from feyntune.data.leakage import without_own_leaks
from feyntune.data.papers import (
    Column,
    Rows,
    batches,
    first_days,
    is_withdrawn,
    primary_categories,
    with_clean_abstract,
)
from feyntune.data.schema import SPLITS
from feyntune.data.store import read_columns, read_rows


def build_dataset(store: Path, stage: DatasetStage) -> DatasetContent:
    """Build a dataset of kind ``snapshot``, with the steps of the paper's own datasets in their order.

    Args:
        store: parquet file written by ``read_snapshot``.
        stage: the dataset, the control papers and the settings for leaks.

    Raises:
        FeynTuneError: no paper is selected, or too few for three splits.
    """
    dataset = stage.dataset
    papers = read_rows(store, select_papers(store, dataset, stage.control_papers))
    kept = np.flatnonzero(pc.invert(is_withdrawn(papers["comments"], papers["abstract"])))
    by_id = kept[pc.sort_indices(papers["id"].take(kept)).to_numpy()]
    numbers = split_rows(papers["id"].take(by_id).to_pylist(), dataset.split, dataset.seed)
    rows = {split: by_id[numbers[split]] for split in numbers}
    rows, leaks, examples = without_own_leaks(papers, rows, stage.leaks)
    tables = {split: map(with_clean_abstract, batches(papers, rows[split])) for split in rows}
    return DatasetContent(tables, {"withdrawn": papers.num_rows - len(kept), **leaks}, examples)


def select_papers(store: Path, dataset: Dataset, control_papers: Sequence[str]) -> Rows:
    """The rows of a store that a dataset takes; withdrawn papers are still among them.

    Args:
        store: parquet file written by ``read_snapshot``.
        dataset: a dataset of kind ``snapshot``.
        control_papers: ids that are left out.

    Returns:
        Row numbers. Which papers they are does not depend on their order in the snapshot.

    Raises:
        FeynTuneError: no paper is left.
    """
    columns = ["id", "categories", *(["versions"] if dataset.since or dataset.until else [])]
    papers = read_columns(store, columns)
    wanted = has_category(papers["categories"], dataset.categories, dataset.match)
    if not pc.any(wanted).as_py():
        raise FeynTuneError(_no_such_category(papers["categories"], dataset))
    control = pc.is_in(papers["id"], value_set=pyarrow.array(control_papers, "string"))
    rows = np.flatnonzero(pc.and_(wanted, pc.invert(control)))
    papers = papers.take(rows)
    if dataset.since or dataset.until:
        within = is_within(first_days(papers), dataset.since, dataset.until)
        rows, papers = rows[within], papers.filter(pyarrow.array(within))
    if not len(rows):
        raise FeynTuneError(
            f"no paper of {listed(dataset.categories)} from {dataset.since} until {dataset.until}; change these days"
        )
    if dataset.sample is None or dataset.sample >= len(rows):
        return rows
    by_id = rows[pc.sort_indices(papers["id"]).to_numpy()]
    return np.random.default_rng(dataset.seed).permutation(by_id)[: dataset.sample]


def has_category(categories: Column, patterns: Sequence[str], match: str) -> Column:
    """Whether papers are of one of the categories.

    Args:
        categories: column of categories separated by spaces, the primary one first.
        patterns: categories (``hep-th``), archives (``cs.*``, which includes ``cs``), or ``*``.
        match: ``primary`` or ``any``.
    """
    either = "|".join(map(_expression, patterns))
    before = r"^\s*" if match == "primary" else r"(^|\s)"
    return pc.match_substring_regex(categories, rf"{before}({either})(\s|$)")


def _expression(pattern: str) -> str:
    if pattern == "*":
        return r"\S+"
    return re.escape(pattern[:-2]) + r"(\.\S+)?" if pattern.endswith(".*") else re.escape(pattern)


def is_within(days: Column, since: datetime.date | None, until: datetime.date | None) -> NDArray[np.bool_]:
    """Which days are not before ``since`` and not after ``until`` (None: no bound); unknown days are not."""
    after = pc.greater_equal(days, since or datetime.date.min)
    before = pc.less_equal(days, until or datetime.date.max)
    return np.asarray(pc.fill_null(pc.and_(after, before), False), dtype=bool)


def _no_such_category(categories: Column, dataset: Dataset) -> str:
    counts = pc.value_counts(primary_categories(categories)).to_pylist()
    known = sorted(counts, key=lambda each: (-each["counts"], each["values"]))
    shown = ", ".join(f"{each['values']} ({each['counts']:,})" for each in known[:4])
    which = "primary category is" if dataset.match == "primary" else "categories have"
    return f"no paper whose {which} {listed(dataset.categories)}; the most frequent in the snapshot are {shown}"


def split_rows(ids: Sequence[str], method: str, seed: int) -> dict[str, Rows]:
    """Divide papers into splits: 70% for training, the rest halved into test and validation.

    Args:
        ids: ids of the papers, sorted.
        method: ``shuffle``; or ``hash`` of the id, with which a paper has the same split in every dataset of that seed.
        seed: seed of either method.

    Returns:
        Row numbers by split, each in random order.

    Raises:
        FeynTuneError: too few papers for three splits.
    """
    rows = _by_hash(ids, seed) if method == "hash" else _by_shuffle(len(ids), seed)
    empty = [split for split in SPLITS if not len(rows[split])]
    if empty:
        raise FeynTuneError(f"{len(ids)} papers leave the {empty[0]} split empty; take more papers")
    return rows


def _by_shuffle(count: int, seed: int) -> dict[str, Rows]:
    """Like ``train_test_split`` of the library ``datasets``, twice: 0.3 of all, then 0.5 of these, rounded up."""
    rest, train = _cut(np.arange(count), -(-3 * count // 10), seed)
    test, validation = _cut(rest, -(-len(rest) // 2), seed)
    return {"train": train, "test": test, "validation": validation}


def _cut(rows: Rows, count: int, seed: int) -> tuple[Rows, Rows]:
    shuffled = rows[np.random.default_rng(seed).permutation(len(rows))]
    return shuffled[:count], shuffled[count:]


def _by_hash(ids: Sequence[str], seed: int) -> dict[str, Rows]:
    """Hash each id to a number in [0, 1): below 0.7 is training, below 0.85 test. The number also gives the order."""
    numbers = np.array([_hash_number(paper_id, seed) for paper_id in ids])
    order = np.argsort(numbers, kind="stable")
    ends = np.searchsorted(numbers[order], [0.7, 0.85])
    return dict(zip(SPLITS, np.split(order, ends), strict=True))


def _hash_number(paper_id: str, seed: int) -> float:
    digest = hashlib.sha256(f"{seed}:{paper_id}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64
