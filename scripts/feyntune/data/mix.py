"""Mixtures of datasets: how many rows of each part, and which."""

from fractions import Fraction

import numpy as np
import pyarrow
import pyarrow.parquet

from feyntune.core.errors import FeynTuneError
from feyntune.core.files import read_table
from feyntune.data.clean import batches
from feyntune.data.leakage import without_leaks
from feyntune.data.schema import SPLITS


def mixed(stage, folder, held_out):
    """Make a mixture: rows by part, shuffled, and a training split free of what must stay unseen.

    Args:
        stage: ``settings.mixing.MixtureStage``.
        folder: where the other datasets are, each in a folder of its name.
        held_out: parquet files of abstracts that must stay unseen.

    Returns:
        Tables in batches by name of split; counts of what was left out, by reason; some near-duplicates.
    """
    parts, seed = stage.dataset.mix, stage.dataset.seed
    counts = part_rows(parts, {name: _sizes(folder / name) for name in sorted(_mentioned(parts))})
    splits, repeated = {}, {}
    for split in SPLITS:
        tables = [read_table(folder / part.dataset / f"{split}.parquet") for part in parts]
        papers, rows, repeated[split] = mix(parts, tables, counts[split], seed)
        if split == "train":
            rows, leaks, examples = without_leaks(papers, rows, _read_all(held_out), stage.leaks)
        splits[split] = batches(papers, rows)
    return splits, {"repeated_ids": sum(repeated.values()), **leaks}, examples


def _read_all(paths):
    return pyarrow.concat_tables([read_table(path, ["id", "abstract"]) for path in paths])


def _sizes(folder):
    return {split: pyarrow.parquet.read_metadata(folder / f"{split}.parquet").num_rows for split in SPLITS}


def _mentioned(parts):
    sized_by = (name for part in parts for names in (part.of, part.among, part.total) for name in names or [])
    return {part.dataset for part in parts}.union(sized_by)


def part_rows(parts, sizes):
    """How many rows each part gives, in exact arithmetic, fractions rounded down.

    Args:
        parts: list of ``settings.data.Part``.
        sizes: rows by name of dataset and by split, of every dataset that the parts mention.

    Returns:
        Dict by split of lists of counts, in the order of the parts.

    Raises:
        FeynTuneError: a part would give no row, or more than it has.
    """
    counts = {split: _counts(parts, sizes, split) for split in SPLITS}
    for split in SPLITS:
        for part, count in zip(parts, counts[split], strict=True):
            has = sizes[part.dataset][split]
            if not 1 <= count <= has:
                raise FeynTuneError(
                    f"{split} split: {count:,} rows wanted of {part.dataset!r}, which has {has:,}; change its share"
                )
    return counts


def _counts(parts, sizes, split):
    counts = [None if part.total else _count(part, sizes, split) for part in parts]
    taken = sum(count for count in counts if count is not None)
    totals = [part.total and _together(part.total, sizes, split) - taken for part in parts]
    return [total if count is None else count for count, total in zip(counts, totals, strict=True)]


def _count(part, sizes, split):
    """Rows of a part whose share does not depend on the other parts."""
    if part.rows:
        return _apportioned(part.rows, sizes[part.dataset])[split]
    whole = Fraction(str(part.fraction)) * _together(part.of or [part.dataset], sizes, split)
    if part.among:
        whole *= Fraction(sizes[part.dataset][split], _together(part.among, sizes, split))
    return int(whole)


def _together(names, sizes, split):
    return sum(sizes[name][split] for name in names)


def _apportioned(rows, sizes):
    """Divide a number over the splits by their sizes; what rounding leaves goes to the largest remainders."""
    exact = {split: Fraction(rows * size, sum(sizes.values())) for split, size in sizes.items()}
    counts = {split: int(share) for split, share in exact.items()}
    by_remainder = sorted(exact, key=lambda split: counts[split] - exact[split])
    return {split: counts[split] + (split in by_remainder[: rows - sum(counts.values())]) for split in counts}


def mix(parts, tables, counts, seed):
    """Mix one split.

    Args:
        parts: list of ``settings.data.Part``.
        tables: one table for each.
        counts: rows to take of each.
        seed: seed of drawing and of shuffling.

    Returns:
        The tables in one, the numbers of the mixture's rows in it, shuffled, and how many rows were left out because
        an earlier part has the same id.
    """
    papers = pyarrow.concat_tables(tables)
    starts = np.cumsum([0, *(table.num_rows for table in tables)])
    taken = [
        start + _taken(part, table.num_rows, count, seed)
        for part, table, count, start in zip(parts, tables, counts, starts, strict=False)
    ]
    rows = np.concatenate(taken)
    _, first = np.unique(papers["id"].take(rows).to_numpy(), return_index=True)
    shuffled = np.random.default_rng(seed).permutation(np.sort(first))
    return papers, rows[shuffled], len(rows) - len(first)


def _taken(part, has, count, seed):
    return np.arange(count) if part.take == "front" else np.random.default_rng(seed).permutation(has)[:count]
