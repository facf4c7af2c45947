"""Push files to a repository of the Hugging Face hub; needs a network, and a token in HF_TOKEN or in .env."""

import argparse
from pathlib import Path

from feyntune.config.schema.hub import PushStage
from feyntune.core.cli import about, launch, named_file, read_settings
from feyntune.core.errors import FeynTuneError


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--files", nargs="+", type=named_file, default=[], metavar="NAME=FILE", help="path in the repository, file"
    )
    parser.add_argument("--folder", type=Path, help="folder of which all files are pushed, except hidden ones")
    parser.add_argument("--rule", default="push", help="the rule that runs this, for messages")
    parser.add_argument("--settings", required=True, help="PushStage, as JSON or a file of it")
    parser.add_argument("--receipt", type=Path, required=True, help="JSON with the commit and the files' hashes")


def main(options: argparse.Namespace) -> None:
    """Push."""
    stage = read_settings(PushStage, options.settings)
    about(stage.repository)

    from feyntune.core.secrets import HUB, require_secret

    token = require_secret(HUB, options.rule)

    from feyntune.hub.push import PushJob, files_in, push

    files = {**(files_in(options.folder) if options.folder else {}), **dict(options.files)}
    if not files:
        raise FeynTuneError("nothing to push; name files by --files, or a folder that has some by --folder")
    push(PushJob(stage, files, options.receipt), token)


if __name__ == "__main__":
    launch(__doc__, arguments, main)
