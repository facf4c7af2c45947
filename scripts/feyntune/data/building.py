"""From a store of papers to the three splits of a dataset."""

import numpy as np
import pyarrow.compute as pc

from feyntune.data.leaks import without_own_leaks
from feyntune.data.papers import batches, with_clean_abstract
from feyntune.data.selection import select
from feyntune.data.splitting import split_rows
from feyntune.data.store import read_rows
from feyntune.data.texts import withdrawn


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
