"""Judge one run's completions with one metric."""

import argparse
from pathlib import Path

from feyntune.config.schema.metrics import MetricStage
from feyntune.core.cli import launch, read_settings


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--completions", type=Path, required=True, help="parquet file of complete.py")
    parser.add_argument("--reference", type=Path, help="file of prepare_metric.py, for a metric that prepares")
    parser.add_argument("--model", type=Path, help="folder of the metric's model, if it has one")
    parser.add_argument("--training", type=Path, help="the run's training split, for a metric that needs it")
    parser.add_argument("--settings", required=True, help="MetricStage, as JSON or a file of it")
    parser.add_argument("--output", type=Path, required=True, help="parquet file to write")


def main(options: argparse.Namespace) -> None:
    """Judge."""
    stage = read_settings(MetricStage, options.settings)

    from feyntune.evaluation.metric_jobs import MetricJob, run_metric

    run_metric(
        MetricJob(options.completions, options.reference, options.model, stage, options.output, options.training)
    )


if __name__ == "__main__":
    launch(__doc__, arguments, main)
