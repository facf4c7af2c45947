"""Compute perplexities and embeddings of whole abstracts under one run's model, from one forward pass."""

from __future__ import annotations

import argparse
from pathlib import Path

from feyntune.config.schema.perplexity import PerplexityStage
from feyntune.core.cli import about, launch, read_settings
from feyntune.core.fingerprint import code_fingerprint


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--base", type=Path, required=True, help="folder of the base model")
    parser.add_argument("--adapter", type=Path, help="folder of a PEFT adapter; default: the base model alone")
    parser.add_argument("--dataset", type=Path, required=True, help="parquet file with the abstracts")
    parser.add_argument("--settings", required=True, help="PerplexityStage, as JSON or a file that contains it")
    parser.add_argument("--shards", type=Path, required=True, help="folder for unfinished work; removed at the end")
    parser.add_argument("--kept", type=Path, help="folder in which finished results of this job are kept")
    parser.add_argument("--perplexity", type=Path, required=True, help="parquet file to write")
    parser.add_argument("--embeddings", type=Path, required=True, help=".pt file to write")


def main(options: argparse.Namespace) -> None:
    """Run the job."""
    stage = read_settings(PerplexityStage, options.settings)
    about(stage.run)

    from feyntune.evaluation.perplexity import PerplexityJob, run

    run(
        PerplexityJob(
            stage=stage,
            base=options.base,
            adapter=options.adapter,
            dataset=options.dataset,
            shards=options.shards,
            perplexity=options.perplexity,
            embeddings=options.embeddings,
            code=code_fingerprint(Path(__file__).name),
            kept=options.kept,
        )
    )


if __name__ == "__main__":
    launch(__doc__, arguments, main)
