"""Fit a small sentence-embedding model of the embedded default on a snapshot."""

from pathlib import Path

from feyntune.core.cli import launch, read_settings


def arguments(parser):
    parser.add_argument("--snapshot", type=Path, required=True)
    parser.add_argument("--settings", required=True, help="JSON of settings.demo.DemoMetricModel, or a file with it")
    parser.add_argument("--output", type=Path, required=True, help="folder that sentence-transformers loads")


def main(options):
    from feyntune.config.schema.demo import DemoMetricModel
    from feyntune.core.files import folder_written_whole
    from feyntune.demo.metric_model import fit_metric_model
    from feyntune.demo.texts import snapshot_texts

    settings = read_settings(DemoMetricModel, options.settings)
    metric = fit_metric_model(snapshot_texts(options.snapshot), settings)
    with folder_written_whole(options.output) as aside:
        metric.save(str(aside), create_model_card=False)


if __name__ == "__main__":
    launch(__doc__, arguments, main)
