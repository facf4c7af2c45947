"""Extract the control papers of a snapshot. They are in no split, and are completed during training."""

from __future__ import annotations

import argparse
from pathlib import Path

from feyntune.core.cli import about, json_list, launch, say


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--store", type=Path, required=True, help="parquet file written by read_snapshot.py")
    parser.add_argument("--ids", type=json_list, required=True, help="JSON list of their arXiv ids")
    parser.add_argument("--output", type=Path, required=True, help="parquet file with the columns of a dataset")


def main(options: argparse.Namespace) -> None:
    from feyntune.core.files import write_table
    from feyntune.data.papers import with_clean_abstract
    from feyntune.data.store import papers_with_ids

    about(options.store.stem)
    papers = with_clean_abstract(papers_with_ids(options.store, options.ids))
    write_table(options.output, papers)
    missing = sorted(set(options.ids) - set(papers["id"].to_pylist()))
    say(f"{papers.num_rows} control papers" + (f"; not in this snapshot: {', '.join(missing)}" if missing else ""))


if __name__ == "__main__":
    launch(__doc__, arguments, main)
