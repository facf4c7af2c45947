"""Read plain texts, divided into passages, for an evaluation set of perplexity only."""

from __future__ import annotations

import argparse
from pathlib import Path

from feyntune.core.cli import about, launch, read_settings, say


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--text", type=Path, required=True, help="file of texts: .jsonl, .parquet or .txt")
    parser.add_argument("--settings", required=True, help="TextsStage, as JSON or a file of it")
    parser.add_argument("--record", type=Path, help="JSON file: what the passages were made from")
    parser.add_argument("--output", type=Path, required=True, help="parquet file to write")


def main(options: argparse.Namespace) -> None:
    """Read, divide, write."""
    from feyntune.config.schema.evaluation import TextsStage
    from feyntune.config.sources import note
    from feyntune.core.files import write_table
    from feyntune.data.texts import read_passages

    stage = read_settings(TextsStage, options.settings)
    about(options.output.stem)
    passages = read_passages(options.text, stage)
    write_table(options.output, passages)
    if options.record:
        note(options.record, [options.text], stage.model_dump(mode="json"))
    say(f"{len(passages):,} passages")


if __name__ == "__main__":
    launch(__doc__, arguments, main)
