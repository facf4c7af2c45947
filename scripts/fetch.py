"""Fetch a model, a metric, an adapter or a dataset of a pinned revision from the Hugging Face hub; needs a network."""

import argparse
from pathlib import Path

from feyntune.core.cli import about, launch, say


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--repository", required=True, help="organisation/name on the hub")
    parser.add_argument("--revision", required=True, help="commit or tag")
    parser.add_argument("--kind", choices=["model", "dataset"], default="model", help="metrics and adapters are models")
    parser.add_argument("--adapter", help="also the PEFT adapter in this subfolder")
    parser.add_argument("--code", action="store_true", help="also the code of repositories that auto_map names")
    parser.add_argument("--folder", type=Path, required=True, help="where links to the cached files are made")
    parser.add_argument("--receipt", type=Path, required=True, help="JSON with the commit and every file's hash")


def main(options: argparse.Namespace) -> None:
    """Fetch."""
    from feyntune.hub.fetch import FetchJob, fetch

    about(options.repository)
    names = ("repository", "revision", "folder", "receipt", "kind", "adapter", "code")
    fetch(FetchJob(**{name: getattr(options, name) for name in names}))
    say(f"files in {options.folder}")


if __name__ == "__main__":
    launch(__doc__, arguments, main)
