"""Bring a dataset that has its three splits already, from the hub or local files, to the columns of all."""

from pathlib import Path

from feyntune.core.cli import about, launch, read_settings, say


def arguments(parser):
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--source", type=Path, help="folder of a dataset of the hub")
    source.add_argument("--files", type=Path, nargs=3, help="parquet or JSON lines: train, test, validation")
    parser.add_argument("--settings", required=True, help="settings.data.DatasetStage, as JSON or a file of it")
    parser.add_argument("--folder", type=Path, required=True, help="where the splits and summary.json go")


def main(options):
    from feyntune.config.schema.data import DatasetStage
    from feyntune.data.dataset_files import write_dataset
    from feyntune.data.imports import files_by_split, imported
    from feyntune.data.schema import SPLITS

    about(options.folder.name)
    stage = read_settings(DatasetStage, options.settings)
    local = {split: [path] for split, path in zip(SPLITS, options.files or [], strict=False)}
    splits, dropped, examples = imported(local or files_by_split(options.source), stage)
    say(write_dataset(options.folder, splits, stage, dropped, near_duplicates=examples))


if __name__ == "__main__":
    launch(__doc__, arguments, main)
