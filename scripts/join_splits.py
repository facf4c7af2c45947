"""Join the splits of a dataset, for an evaluation set that consists of all of them."""

from __future__ import annotations

import argparse
from pathlib import Path

from feyntune.core.cli import about, launch, say


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--splits", type=Path, nargs="+", required=True, help="parquet files, in this order")
    parser.add_argument("--output", type=Path, required=True, help="parquet file to write")


def main(options: argparse.Namespace) -> None:
    from feyntune.core.files import read_table, write_batches
    from feyntune.data.schema import DATASET

    about(options.output.parent.name)
    tables = [read_table(path, DATASET.names) for path in options.splits]
    write_batches(options.output, DATASET, (table.replace_schema_metadata(None) for table in tables))
    say(f"{sum(table.num_rows for table in tables):,} abstracts")


if __name__ == "__main__":
    launch(__doc__, arguments, main)
