"""Import perplexities or values of a metric that were computed elsewhere, as those of a run."""

import argparse
from pathlib import Path

from feyntune.config.schema.imports import ImportStage
from feyntune.core.cli import launch, read_settings


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--table", type=Path, required=True, help="CSV or parquet file, or folder of a dataset")
    parser.add_argument("--kind", required=True, help="perplexity, or the name of a metric")
    parser.add_argument("--dataset", type=Path, required=True, help="parquet file with the abstracts")
    parser.add_argument("--settings", required=True, help="ImportStage, as JSON or a file of it")
    parser.add_argument("--output", type=Path, required=True, help="parquet file to write")


def main(options: argparse.Namespace) -> None:
    """Import."""
    stage = read_settings(ImportStage, options.settings)

    from feyntune.hub.imports import ImportJob, import_values

    import_values(ImportJob(options.table, options.dataset, stage, options.output), options.kind)


if __name__ == "__main__":
    launch(__doc__, arguments, main)
