"""Fit a small sentence-embedding model of the embedded default on a snapshot."""

from __future__ import annotations

import argparse
from pathlib import Path

from feyntune.core.cli import launch, read_settings


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--snapshot", type=Path, required=True, help="JSON lines written by demo_snapshot.py")
    parser.add_argument("--settings", required=True, help="DemoMetricModel, as JSON or a JSON file")
    parser.add_argument("--output", type=Path, required=True, help="folder to write, for sentence-transformers")


def main(options: argparse.Namespace) -> None:
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
