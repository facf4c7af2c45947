"""The files of a dataset: three splits and a summary."""

from pathlib import Path

from feyntune.data.schema import SPLITS
from feyntune.data.summary import summarise
from feyntune.files import write_json, write_table


def write_dataset(folder, splits, stage, **notes):
    """Write ``{train,test,validation}.parquet`` and ``summary.json``.

    Args:
        folder: where to.
        splits: tables by name of split.
        stage: the stage's settings, noted in each file.
        notes: entries of the summary besides what the splits themselves tell.
    """
    settings = stage.model_dump(mode="json", exclude_defaults=True)
    for split in SPLITS:
        write_table(Path(folder) / f"{split}.parquet", splits[split], {"settings": settings})
    write_json(Path(folder) / "summary.json", {**summarise(splits), **notes})
