"""Make a dataset of three splits from the papers of a snapshot: filter, drop withdrawn papers, clean, split."""

from pathlib import Path

from feyntune.core.cli import about, launch, read_settings, say


def arguments(parser):
    parser.add_argument("--store", type=Path, required=True, help="what read_snapshot.py made")
    parser.add_argument("--report", type=Path, required=True, help="its report, for the summary")
    parser.add_argument("--settings", required=True, help="JSON of settings.data.DatasetStage")
    parser.add_argument("--folder", type=Path, required=True, help="where the splits and summary.json go")


def main(options):
    from feyntune.config.schema.data import DatasetStage
    from feyntune.core.files import read_json
    from feyntune.data.dataset_files import write_dataset
    from feyntune.data.splits import build

    about(options.folder.name)
    stage = read_settings(DatasetStage, options.settings)
    splits, dropped, examples = build(options.store, stage)
    notes = {"near_duplicates": examples, "snapshot": read_json(options.report)}
    say(write_dataset(options.folder, splits, stage, dropped, **notes))


if __name__ == "__main__":
    launch(__doc__, arguments, main)
