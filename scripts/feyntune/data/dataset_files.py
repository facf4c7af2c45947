"""The files of a dataset: three splits and a summary."""

from __future__ import annotations

import collections
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow
import pyarrow.compute as pc
from numpy.typing import NDArray

from feyntune.core.files import write_batches, write_json
from feyntune.core.schema import Section
from feyntune.data.papers import Column, first_days, primary_categories, word_counts
from feyntune.data.schema import DATASET


class DatasetContent(NamedTuple):
    """What a dataset consists of, before it is written."""

    splits: Mapping[str, Iterable[pyarrow.Table]]
    """Tables with the columns of ``schema.DATASET``, by split."""
    dropped: dict[str, int]
    """How many papers were left out, by reason."""
    near_duplicates: list[dict]
    """The first near-duplicates that were left out, as ``leakage.without_leaks`` gives them."""


class _Summary:
    """Counts the papers of a dataset while its tables are written."""

    def __init__(self) -> None:
        self.rows: dict[str, int] = {}
        self.categories: collections.Counter[str] = collections.Counter()
        self.years: collections.Counter[str] = collections.Counter()
        self.words: list[NDArray[np.int32]] = []

    def counted(self, split: str, tables: Iterable[pyarrow.Table]) -> Iterator[pyarrow.Table]:
        """Yield the tables of a split unchanged, and count what is in them."""
        self.rows[split] = 0
        for table in tables:
            self.rows[split] += table.num_rows
            self.categories.update(_counts(primary_categories(table["categories"])))
            self.years.update(_counts(pc.fill_null(pc.year(first_days(table)).cast("string"), "unknown")))
            self.words.append(word_counts(table["abstract"]).to_numpy())
            yield table

    def content(self) -> dict[str, dict]:
        """JSON-able: rows by split; and over all splits, papers by primary category and year, and words an abstract."""
        return {
            "rows": self.rows,
            "words": _quantiles(np.concatenate(self.words)),
            "categories": dict(sorted(self.categories.items(), key=lambda each: (-each[1], each[0]))),
            "years": dict(sorted(self.years.items())),
        }


def _counts(values: Column) -> dict[str, int]:
    return {each["values"]: each["counts"] for each in pc.value_counts(values).to_pylist()}


def _quantiles(counts: NDArray[np.int32]) -> dict[str, float]:
    names = ("min", "lower_quartile", "median", "upper_quartile", "max")
    values = np.quantile(counts, [0, 0.25, 0.5, 0.75, 1])
    return {"mean": float(counts.mean()), **{name: float(value) for name, value in zip(names, values, strict=True)}}


def write_dataset(folder: Path, content: DatasetContent, stage: Section, notes: Mapping[str, object]) -> str:
    """Write ``{train,test,validation}.parquet`` and ``summary.json``.

    Args:
        folder: where to write; created if necessary.
        content: the dataset.
        stage: the settings of the stage, recorded in the metadata of each file.
        notes: further entries of the summary.

    Returns:
        A one-line message about what was written.
    """
    summary, settings = _Summary(), stage.model_dump(mode="json", exclude_defaults=True)
    for split, tables in content.splits.items():
        write_batches(folder / f"{split}.parquet", DATASET, summary.counted(split, tables), {"settings": settings})
    found = {"dropped": content.dropped, "near_duplicates": content.near_duplicates}
    write_json(folder / "summary.json", {**summary.content(), **found, **notes})
    sizes = ", ".join(f"{rows:,} {split}" for split, rows in summary.rows.items())
    left_out = ", ".join(f"{count:,} {reason.replace('_', ' ')}" for reason, count in content.dropped.items() if count)
    return f"{sizes}; left out: {left_out or 'none'}"
