"""Prepare a metric for an evaluation set, once for all runs: an embedding metric embeds the true abstracts."""

import argparse
from pathlib import Path

from feyntune.config.schema.metrics import PreparationStage
from feyntune.core.cli import launch, read_settings


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--dataset", type=Path, required=True, help="parquet file with the abstracts")
    parser.add_argument("--model", type=Path, help="folder of the metric's model, if it has one")
    parser.add_argument("--settings", required=True, help="PreparationStage, as JSON or a file of it")
    parser.add_argument("--output", type=Path, required=True, help="safetensors file to write")


def main(options: argparse.Namespace) -> None:
    """Prepare."""
    stage = read_settings(PreparationStage, options.settings)

    from feyntune.evaluation.metric_jobs import PreparationJob, run_preparation

    run_preparation(PreparationJob(options.dataset, options.model, stage, options.output))


if __name__ == "__main__":
    launch(__doc__, arguments, main)
