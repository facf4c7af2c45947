"""Write the synthetic arXiv metadata snapshot of the embedded default."""

from __future__ import annotations

import argparse
from pathlib import Path

from feyntune.core.cli import launch, read_settings, say


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--settings", required=True, help="DemoSnapshot, as JSON or a JSON file")
    parser.add_argument("--control-papers", nargs="*", default=[], help="ids of papers that it must contain, in hep-th")
    parser.add_argument("--output", type=Path, required=True, help="JSON lines file to write")


def main(options: argparse.Namespace) -> None:
    from feyntune.config.schema.demo import DemoSnapshot
    from feyntune.core.files import write_text
    from feyntune.demo.snapshot import snapshot_lines

    settings = read_settings(DemoSnapshot, options.settings)
    lines = list(snapshot_lines(settings.papers, options.control_papers, settings.seed))
    write_text(options.output, "".join(f"{line}\n" for line in lines))
    say(f"{len(lines):,} lines in {options.output}")


if __name__ == "__main__":
    launch(__doc__, arguments, main)
