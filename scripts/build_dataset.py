"""Build a dataset of three splits from the papers of a snapshot: select, drop withdrawn papers, clean, split."""

from __future__ import annotations

import argparse
from pathlib import Path

from feyntune.core.cli import about, launch, read_settings, say


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--store", type=Path, required=True, help="parquet file written by read_snapshot.py")
    parser.add_argument(
        "--report", type=Path, required=True, help="report of read_snapshot.py, copied into the summary"
    )
    parser.add_argument("--settings", required=True, help="DatasetStage, as JSON or a JSON file")
    parser.add_argument("--folder", type=Path, required=True, help="folder for the splits and summary.json")


def main(options: argparse.Namespace) -> None:
    from feyntune.config.schema.data import DatasetStage
    from feyntune.core.files import read_json
    from feyntune.data.dataset_files import write_dataset
    from feyntune.data.selection import build_dataset

    about(options.folder.name)
    stage = read_settings(DatasetStage, options.settings)
    content = build_dataset(options.store, stage)
    say(write_dataset(options.folder, content, stage, {"snapshot": read_json(options.report)}))


if __name__ == "__main__":
    launch(__doc__, arguments, main)
