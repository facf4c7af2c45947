"""Read an arXiv metadata snapshot (JSON lines, plain, .gz or .zip) into a columnar store."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path

from feyntune.core.cli import about, launch, say


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--snapshot", type=Path, required=True, help="the file as Kaggle ships it, or unpacked")
    parser.add_argument("--store", type=Path, required=True, help="parquet file to write")
    parser.add_argument("--report", type=Path, required=True, help="JSON with what was skipped, and why")
    parser.add_argument("--record", type=Path, help="JSON file: what the store was made from")
    parser.add_argument("--threads", type=int, default=1, help="parsing threads; the result does not depend on them")


def main(options: argparse.Namespace) -> None:
    from feyntune.config.sources import note
    from feyntune.core.files import write_json
    from feyntune.data.snapshot import read_snapshot

    about(options.store.stem)
    report = read_snapshot(options.snapshot, options.store, options.threads)
    write_json(options.report, dataclasses.asdict(report))
    if options.record:
        note(options.record, [options.snapshot], None)
    say(f"{report.papers:,} papers" + "".join(f", {message}" for message in report.messages()))
    for fault in report.malformed_lines:
        print(f"skipped line {fault['line']:,}: {fault['fault']}")


if __name__ == "__main__":
    launch(__doc__, arguments, main)
