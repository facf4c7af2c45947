"""Print what the checks found as one table; exit with 2 if the configuration cannot run."""

import argparse
from pathlib import Path

from feyntune.core.cli import launch


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("findings", nargs="+", type=Path, help="JSON files of check_login.py and check_compute.py")


def main(options: argparse.Namespace) -> None:
    """Print the table.

    Raises:
        FeynTuneError: a check failed.
    """
    from feyntune.check.findings import failures, read_findings, render_table
    from feyntune.core.errors import FeynTuneError

    parts = [read_findings(path) for path in options.findings]
    print("\n".join(render_table(parts)), flush=True)
    failed = failures(finding for _, findings in parts for finding in findings)
    if failed:
        raise FeynTuneError(f"failed: {', '.join(finding.name for finding in failed)}; the table says what to do")


if __name__ == "__main__":
    launch(__doc__, arguments, main)
