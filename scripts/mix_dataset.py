"""Mix datasets, split by split, and keep the training split free of what its runs are judged on."""

from pathlib import Path

from feyntune.core.cli import about, launch, read_settings, say


def arguments(parser):
    parser.add_argument("--datasets", type=Path, required=True, help="folder of the datasets that are mentioned")
    parser.add_argument("--held-out", type=Path, nargs="+", required=True, help="splits that must stay unseen")
    parser.add_argument("--settings", required=True, help="settings.mixing.MixtureStage, as JSON or a file of it")
    parser.add_argument("--folder", type=Path, required=True, help="where the splits and summary.json go")


def main(options):
    from feyntune.config.schema.data import MixtureStage
    from feyntune.data.dataset_files import write_dataset
    from feyntune.data.mix import mixed

    about(options.folder.name)
    stage = read_settings(MixtureStage, options.settings)
    splits, dropped, examples = mixed(stage, options.datasets, options.held_out)
    say(write_dataset(options.folder, splits, stage, dropped, near_duplicates=examples))


if __name__ == "__main__":
    launch(__doc__, arguments, main)
