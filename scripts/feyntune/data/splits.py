"""From a store of papers to the three splits of a dataset."""

import hashlib

import numpy as np
import pyarrow.compute as pc

from feyntune.core.errors import FeynTuneError
from feyntune.data.clean import batches, with_clean_abstract, withdrawn
from feyntune.data.leakage import without_own_leaks
from feyntune.data.schema import SPLITS
from feyntune.data.select import select
from feyntune.data.store import read_rows


def split_rows(ids, method, seed):
    """Divide rows: 70% for training, the rest halved into test and validation.

    Args:
        ids: the papers' ids, sorted.
        method: ``shuffle``, or ``hash`` of the id, by which a paper has the same split in every dataset of that seed.
        seed: seed of either.

    Returns:
        Dict of arrays of row numbers by split, each in random order.

    Raises:
        FeynTuneError: there are too few rows for three splits.
    """
    rows = _by_hash(ids, seed) if method == "hash" else _shuffled(len(ids), seed)
    empty = [split for split in SPLITS if not len(rows[split])]
    if empty:
        raise FeynTuneError(f"{len(ids)} papers leave the {empty[0]} split empty; take more")
    return rows


def _shuffled(count, seed):
    """As ``train_test_split`` of the library ``datasets``, twice: 0.3 of all, then 0.5 of these, both rounded up."""
    rest, train = _part(np.arange(count), -(-3 * count // 10), seed)
    test, validation = _part(rest, -(-len(rest) // 2), seed)
    return {"train": train, "test": test, "validation": validation}


def _part(rows, count, seed):
    shuffled = rows[np.random.default_rng(seed).permutation(len(rows))]
    return shuffled[:count], shuffled[count:]


def _by_hash(ids, seed):
    """Hash to a number in [0, 1): below 0.7 is training, below 0.85 test; the number is the order, too."""
    numbers = np.array([_number(identifier, seed) for identifier in ids])
    order = np.argsort(numbers, kind="stable")
    ends = np.searchsorted(numbers[order], [0.7, 0.85])
    return dict(zip(SPLITS, np.split(order, ends), strict=True))


def _number(identifier, seed):
    digest = hashlib.sha256(f"{seed}:{identifier}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def build(store, stage):
    """Make a dataset of kind ``snapshot``, in the order of steps of the paper's own datasets.

    Args:
        store: parquet file written by ``read_snapshot``.
        stage: ``settings.data.DatasetStage``.

    Returns:
        Tables in batches by name of split; counts of what was left out, by reason; some near-duplicates.
    """
    dataset = stage.dataset
    papers = read_rows(store, select(store, dataset, stage.control_papers))
    kept = np.flatnonzero(pc.invert(withdrawn(papers["comments"], papers["abstract"])))
    by_id = kept[pc.sort_indices(papers["id"].take(kept)).to_numpy()]
    numbers = split_rows(papers["id"].take(by_id).to_pylist(), dataset.split, dataset.seed)
    rows = {split: by_id[numbers[split]] for split in numbers}
    rows, leaks, examples = without_own_leaks(papers, rows, stage.leaks)
    dropped = {"withdrawn": papers.num_rows - len(kept), **leaks}
    return {split: map(with_clean_abstract, batches(papers, rows[split])) for split in rows}, dropped, examples
