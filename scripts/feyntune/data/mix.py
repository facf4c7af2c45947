"""Mixtures of datasets: how many rows of each part, and which."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import pyarrow

from feyntune.config.schema.data import MixtureStage, Part
from feyntune.core.errors import FeynTuneError
from feyntune.core.files import read_table, row_count
from feyntune.data.dataset_files import DatasetContent
from feyntune.data.leakage import refuse_empty, without_leaks
from feyntune.data.papers import Rows, batches
from feyntune.data.schema import SPLITS, TEXTS


def mix_datasets(stage: MixtureStage, folder: Path, held_out: Sequence[Path]) -> DatasetContent:
    """Mix datasets, shuffle, and drop from the training split what must stay unseen.

    Args:
        stage: the mixture and the settings for leaks.
        folder: where the other datasets are, each in a folder of its name.
        held_out: parquet files of abstracts that must stay unseen.

    Raises:
        FeynTuneError: a part cannot give the wanted rows, or nothing is left to train on.
    """
    parts, seed = stage.dataset.mix or [], stage.dataset.seed
    counts = part_rows(parts, {name: _sizes(folder / name) for name in sorted(_mentioned(parts))})
    splits, repeated = {}, {}
    for split in SPLITS:
        tables = [read_table(folder / part.dataset / f"{split}.parquet", texts=TEXTS) for part in parts]
        papers, rows, repeated[split] = mix_split(parts, tables, counts[split], seed)
        if split == "train":
            mixed = rows
            rows, leaks, examples = without_leaks(papers, mixed, _read_all(held_out), stage.leaks)
            refuse_empty(rows, mixed)
        splits[split] = batches(papers, rows)
    return DatasetContent(splits, {"repeated_ids": sum(repeated.values()), **leaks}, examples)


def _read_all(paths: Iterable[Path]) -> pyarrow.Table:
    return pyarrow.concat_tables([read_table(path, TEXTS, texts=TEXTS) for path in paths])


def _sizes(folder: Path) -> dict[str, int]:
    return {split: row_count(folder / f"{split}.parquet") for split in SPLITS}


def _mentioned(parts: Iterable[Part]) -> set[str]:
    sized_by = (name for part in parts for names in (part.of, part.among, part.total) for name in names or [])
    return {part.dataset for part in parts}.union(sized_by)


def part_rows(parts: Sequence[Part], sizes: Mapping[str, Mapping[str, int]]) -> dict[str, list[int]]:
    """How many rows each part gives, in exact arithmetic, fractions rounded down.

    Args:
        parts: the parts of a mixture.
        sizes: rows by name of dataset and by split, of every dataset that the parts mention.

    Returns:
        By split, the number of rows of each part.

    Raises:
        FeynTuneError: a part would give no row, or more than it has.
    """
    counts = {split: _counts(parts, sizes, split) for split in SPLITS}
    for split in SPLITS:
        for part, count in zip(parts, counts[split], strict=True):
            has = sizes[part.dataset][split]
            if not 1 <= count <= has:
                raise FeynTuneError(
                    f"{split} split: {count:,} rows wanted of {part.dataset!r}, which has {has:,}; change its fraction"
                )
    return counts


def _counts(parts: Sequence[Part], sizes: Mapping[str, Mapping[str, int]], split: str) -> list[int]:
    counts = [None if part.total else _count(part, sizes, split) for part in parts]
    taken = sum(count for count in counts if count is not None)
    return [
        _together(part.total or [], sizes, split) - taken if count is None else count
        for part, count in zip(parts, counts, strict=True)
    ]


def _count(part: Part, sizes: Mapping[str, Mapping[str, int]], split: str) -> int:
    """Rows of a part whose number does not depend on the other parts."""
    if part.rows:
        return _apportioned(part.rows, sizes[part.dataset])[split]
    whole = Fraction(str(part.fraction)) * _together(part.of or [part.dataset], sizes, split)
    if part.among:
        whole *= Fraction(sizes[part.dataset][split], _together(part.among, sizes, split))
    return int(whole)


def _together(names: Iterable[str], sizes: Mapping[str, Mapping[str, int]], split: str) -> int:
    return sum(sizes[name][split] for name in names)


def _apportioned(rows: int, sizes: Mapping[str, int]) -> dict[str, int]:
    """Divide a number over the splits by their sizes (largest remainder method)."""
    exact = {split: Fraction(rows * size, sum(sizes.values())) for split, size in sizes.items()}
    counts = {split: int(number) for split, number in exact.items()}
    by_remainder = sorted(exact, key=lambda split: counts[split] - exact[split])
    return {split: counts[split] + (split in by_remainder[: rows - sum(counts.values())]) for split in counts}


def mix_split(
    parts: Sequence[Part], tables: Sequence[pyarrow.Table], counts: Sequence[int], seed: int
) -> tuple[pyarrow.Table, Rows, int]:
    """Mix one split.

    Args:
        parts: the parts of the mixture.
        tables: one table for each part.
        counts: rows to take of each table.
        seed: seed of drawing and of shuffling.

    Returns:
        The tables concatenated; the row numbers of the mixture in it, shuffled; and how many rows were left out
        because an earlier part has the same id.
    """
    papers = pyarrow.concat_tables(tables)
    starts = np.cumsum([0, *(table.num_rows for table in tables)])
    taken = [
        start + _drawn(part, table.num_rows, count, seed)
        for part, table, count, start in zip(parts, tables, counts, starts, strict=False)
    ]
    rows = np.concatenate(taken)
    _, first = np.unique(papers["id"].take(rows).to_numpy(), return_index=True)
    shuffled = np.random.default_rng(seed).permutation(np.sort(first))
    return papers, rows[shuffled], len(rows) - len(first)


def _drawn(part: Part, has: int, count: int, seed: int) -> Rows:
    return np.arange(count) if part.take == "front" else np.random.default_rng(seed).permutation(has)[:count]
