"""Check the machine where jobs run: GPU, driver, numerics, speed, and the environment of a job."""

import argparse
from pathlib import Path

from feyntune.core.cli import launch, read_settings


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--settings", required=True, help="CheckStage, as JSON or a file of it")
    parser.add_argument("--output", type=Path, required=True, help="JSON file to write")


def main(options: argparse.Namespace) -> None:
    """Check and write; the exit code is 0 whatever was found."""
    from feyntune.check.compute import compute_findings
    from feyntune.check.findings import write_findings
    from feyntune.config.schema.check import CheckStage

    findings, rates = compute_findings(read_settings(CheckStage, options.settings))
    write_findings(options.output, "compute", findings, rates=rates)


if __name__ == "__main__":
    launch(__doc__, arguments, main)
