"""Import a dataset that already has three splits, from the hub or from local files."""

from __future__ import annotations

import argparse
from pathlib import Path

from feyntune.core.cli import about, launch, read_settings, say


def arguments(parser: argparse.ArgumentParser) -> None:
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--source", type=Path, help="folder of a dataset fetched from the hub")
    source.add_argument("--files", type=Path, nargs=3, help="parquet or JSON lines: train, test, validation")
    parser.add_argument("--settings", required=True, help="DatasetStage, as JSON or a JSON file")
    parser.add_argument("--record", type=Path, help="JSON file: what the dataset was made from")
    parser.add_argument("--folder", type=Path, required=True, help="folder for the splits and summary.json")


def main(options: argparse.Namespace) -> None:
    from feyntune.config.schema.data import DatasetStage
    from feyntune.config.sources import note
    from feyntune.data.dataset_files import write_dataset
    from feyntune.data.imports import files_by_split, import_dataset
    from feyntune.data.schema import SPLITS

    about(options.folder.name)
    stage = read_settings(DatasetStage, options.settings)
    local = {split: [path] for split, path in zip(SPLITS, options.files or [], strict=False)}
    content = import_dataset(local or files_by_split(options.source), stage)
    message = write_dataset(options.folder, content, stage, {})
    if options.record and options.files:
        note(options.record, options.files, stage.model_dump(mode="json"))
    say(message)


if __name__ == "__main__":
    launch(__doc__, arguments, main)
