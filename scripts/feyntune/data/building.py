"""From a store of papers to the three splits of a dataset."""

import pyarrow
import pyarrow.compute as pc

from feyntune.data.papers import read_rows, with_clean_abstract, without_withdrawn
from feyntune.data.selection import select
from feyntune.data.splitting import split_rows
from feyntune.data.texts import same_text


def build(store, stage):
    """Make a dataset of kind ``snapshot``, in the order of steps of the paper's own datasets.

    Args:
        store: parquet file written by ``read_snapshot``.
        stage: ``settings.data.DatasetStage``.

    Returns:
        Tables by name of split, and counts of what was left out, by reason.
    """
    dataset = stage.dataset
    papers, withdrawn = without_withdrawn(read_rows(store, select(store, dataset, stage.control_papers)))
    papers = with_clean_abstract(papers)
    rows = split_rows(papers["id"].to_pylist(), dataset.split, dataset.seed)
    splits = {split: papers.take(numbers) for split, numbers in rows.items()}
    unseen = pyarrow.concat_tables([splits["test"], splits["validation"]])
    seen_elsewhere = same_text(splits["train"]["abstract"], unseen["abstract"])
    splits["train"] = splits["train"].filter(pc.invert(seen_elsewhere))
    return splits, {"withdrawn": withdrawn, "same_text": pc.sum(seen_elsewhere).as_py() or 0}
