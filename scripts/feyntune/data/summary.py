"""What is in a dataset, as numbers."""

import collections

import numpy as np

from feyntune.data.dates import first_days
from feyntune.data.selection import primary
from feyntune.data.texts import word_counts


def summarise(splits):
    """Describe a dataset, given as tables by name of split.

    Returns:
        JSON-able dict: rows by split; over all splits, papers by primary category and by year, and quantiles of the
        abstracts' lengths in words.
    """
    tables = splits.values()
    categories = collections.Counter(name for table in tables for name in primary(table["categories"]).to_pylist())
    years = collections.Counter(str(day.year) if day else "unknown" for table in tables for day in first_days(table))
    return {
        "rows": {split: table.num_rows for split, table in splits.items()},
        "words": _quantiles(np.concatenate([word_counts(table["abstract"]).to_numpy() for table in tables])),
        "categories": dict(sorted(categories.items(), key=lambda each: (-each[1], each[0]))),
        "years": dict(sorted(years.items())),
    }


def _quantiles(counts):
    names = ("min", "lower_quartile", "median", "upper_quartile", "max")
    values = np.quantile(counts, [0, 0.25, 0.5, 0.75, 1])
    return {"mean": float(counts.mean()), **{name: float(value) for name, value in zip(names, values, strict=True)}}
