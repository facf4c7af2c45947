"""Check the machine where Snakemake runs, and the cluster: inputs, hub, SLURM, disk, file locks."""

import argparse
from pathlib import Path

from feyntune.core.cli import launch, read_settings


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--settings", required=True, help="CheckStage, as JSON or a file of it")
    parser.add_argument("--results", type=Path, default=Path("results"), help="folder of the results")
    parser.add_argument("--output", type=Path, required=True, help="JSON file to write")


def main(options: argparse.Namespace) -> None:
    """Check and write; the exit code is 0 whatever was found."""
    from feyntune.check.cluster import cluster_findings
    from feyntune.check.findings import write_findings
    from feyntune.check.login import login_findings
    from feyntune.config.schema.check import CheckStage

    stage = read_settings(CheckStage, options.settings)
    project = Path(__file__).resolve().parents[1]
    findings = [*login_findings(stage, project, options.results), *cluster_findings(stage)]
    write_findings(options.output, "login", findings)


if __name__ == "__main__":
    launch(__doc__, arguments, main)
