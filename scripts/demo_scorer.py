"""Fit a small sentence-embedding model of the embedded default on a snapshot."""

from pathlib import Path

from feyntune.core.cli import launch, read_settings


def arguments(parser):
    parser.add_argument("--snapshot", type=Path, required=True)
    parser.add_argument("--settings", required=True, help="JSON of settings.demo.DemoScorer, or a file with it")
    parser.add_argument("--output", type=Path, required=True, help="folder that sentence-transformers loads")


def main(options):
    from feyntune.config.schema.demo import DemoScorer
    from feyntune.core.files import folder_written_whole
    from feyntune.demo.scorer import fit_scorer
    from feyntune.demo.texts import snapshot_texts

    settings = read_settings(DemoScorer, options.settings)
    scorer = fit_scorer(snapshot_texts(options.snapshot), settings)
    with folder_written_whole(options.output) as aside:
        scorer.save(str(aside), create_model_card=False)


if __name__ == "__main__":
    launch(__doc__, arguments, main)
