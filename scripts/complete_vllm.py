"""Start complete.py in the environment of vLLM, which `make vllm` installs; takes the options of complete.py.

An adapter that vLLM cannot apply is merged into the base model first.
"""

from __future__ import annotations

import argparse

from complete import arguments
from feyntune.config.schema.generation import CompletionStage
from feyntune.core.cli import about, launch, read_settings
from feyntune.evaluation.generation.vllm_environment import VllmStart, start


def main(options: argparse.Namespace) -> None:
    """Become complete.py."""
    stage = read_settings(CompletionStage, options.settings)
    about(stage.run)
    start(VllmStart(stage, options.base, options.adapter, options.shards), vars(options))


if __name__ == "__main__":
    launch(__doc__, arguments, main)
