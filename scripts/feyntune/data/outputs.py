"""The files of a dataset: three splits and a summary."""

from pathlib import Path

from feyntune.data.schema import DATASET
from feyntune.data.summary import Summary
from feyntune.files import write_batches, write_json


def write_dataset(folder, splits, stage, dropped, **notes):
    """Write ``{train,test,validation}.parquet`` and ``summary.json``.

    Args:
        folder: where to.
        splits: by name of split an iterable of tables with the columns of ``schema.DATASET``.
        stage: the stage's settings, noted in each file.
        dropped: counts of what was left out, by reason.
        notes: further entries of the summary.

    Returns:
        One line that tells people what was written.
    """
    summary, settings = Summary(), stage.model_dump(mode="json", exclude_defaults=True)
    for split, tables in splits.items():
        path = Path(folder) / f"{split}.parquet"
        write_batches(path, DATASET, summary.counted(split, tables), {"settings": settings})
    write_json(Path(folder) / "summary.json", {**summary.content(), "dropped": dropped, **notes})
    sizes = ", ".join(f"{rows:,} {split}" for split, rows in summary.rows.items())
    left_out = ", ".join(f"{count:,} {reason.replace('_', ' ')}" for reason, count in dropped.items() if count)
    return f"{sizes}; left out: {left_out or 'none'}"
