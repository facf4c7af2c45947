"""The files of a dataset: three splits and a summary."""

import collections
from pathlib import Path

import numpy as np
import pyarrow.compute as pc

from feyntune.core.files import write_batches, write_json
from feyntune.data.clean import word_counts
from feyntune.data.schema import DATASET
from feyntune.data.select import first_days, primary


class Summary:
    """Counts of the papers of a dataset while they pass by."""

    def __init__(self):
        self.rows, self.categories, self.years, self.words = {}, collections.Counter(), collections.Counter(), []

    def counted(self, split, tables):
        """Yield the tables of a split as they are, counting what is in them."""
        self.rows[split] = 0
        for table in tables:
            self.rows[split] += table.num_rows
            self.categories.update(_counts(primary(table["categories"])))
            self.years.update(_counts(pc.fill_null(pc.year(first_days(table)).cast("string"), "unknown")))
            self.words.append(word_counts(table["abstract"]).to_numpy())
            yield table

    def content(self):
        """JSON-able dict: rows by split; over all splits, papers by primary category and by year, and words.

        These are quantiles of the abstracts' lengths.
        """
        return {
            "rows": self.rows,
            "words": _quantiles(np.concatenate(self.words)),
            "categories": dict(sorted(self.categories.items(), key=lambda each: (-each[1], each[0]))),
            "years": dict(sorted(self.years.items())),
        }


def _counts(values):
    return {each["values"]: each["counts"] for each in pc.value_counts(values).to_pylist()}


def _quantiles(counts):
    names = ("min", "lower_quartile", "median", "upper_quartile", "max")
    values = np.quantile(counts, [0, 0.25, 0.5, 0.75, 1])
    return {"mean": float(counts.mean()), **{name: float(value) for name, value in zip(names, values, strict=True)}}


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
