"""A plain polars script: the papers of one primary category from a snapshot, cleaned and split, as parquet files.

python polars_script.py SNAPSHOT CATEGORY FOLDER
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import polars as pl

VERSIONS = pl.List(pl.Struct({"version": pl.String, "created": pl.String}))
TEXTS = ("id", "authors", "title", "comments", "categories", "abstract")


def main(snapshot: str, category: str, folder: str) -> None:
    """Write train, test and validation.parquet: 70% for training, the rest halved, both held-out sizes rounded up."""
    schema = {**dict.fromkeys(TEXTS, pl.String), "versions": VERSIONS}
    withdrawn = pl.col("comments").str.contains("(?i)withdrawn").fill_null(False)
    withdrawn |= pl.col("abstract").str.contains("Withdrawn|withdrawn")
    papers = (
        pl.scan_ndjson(snapshot, schema=schema)
        .filter(pl.col("categories").str.split(" ").list.first().str.starts_with(category), ~withdrawn)
        .with_columns(orig_abstract=pl.col("abstract"))
        .with_columns(pl.col("abstract").str.replace_all(r"\n\s*", " ").str.strip_chars())
        .sort("id")
        .collect(engine="streaming")
    )
    shuffled = papers[np.random.default_rng(42).permutation(len(papers))]
    held_out = -(-3 * len(papers) // 10)
    rest, half = shuffled[:held_out][np.random.default_rng(42).permutation(held_out)], -(-held_out // 2)
    for split, rows in {"train": shuffled[held_out:], "test": rest[:half], "validation": rest[half:]}.items():
        rows.write_parquet(Path(folder) / f"{split}.parquet")


if __name__ == "__main__":
    main(*sys.argv[1:])
