"""Complete the abstracts of an evaluation set with one run's model."""

from __future__ import annotations

import argparse
from pathlib import Path

from feyntune.config.schema.generation import CompletionStage
from feyntune.core.cli import about, launch, read_settings
from feyntune.core.fingerprint import code_fingerprint
from feyntune.evaluation.generation import engine_file, engine_loader


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--base", type=Path, required=True, help="folder of the base model")
    parser.add_argument("--adapter", type=Path, help="folder of a PEFT adapter; default: the base model alone")
    parser.add_argument("--dataset", type=Path, required=True, help="parquet file with the abstracts")
    parser.add_argument("--settings", required=True, help="CompletionStage, as JSON or a file that contains it")
    parser.add_argument("--shards", type=Path, required=True, help="folder for unfinished work; removed at the end")
    parser.add_argument("--kept", type=Path, help="folder in which finished results of this job are kept")
    parser.add_argument("--mem-mb", type=int, help="MB that it may use on a CPU; default: half of the machine's")
    parser.add_argument("--output", type=Path, required=True, help="parquet file to write")


def main(options: argparse.Namespace) -> None:
    """Run the job."""
    stage = read_settings(CompletionStage, options.settings)
    about(stage.run)

    from feyntune.evaluation.generation.completions import CompletionJob, run

    job = CompletionJob(
        stage=stage,
        base=options.base,
        adapter=options.adapter,
        dataset=options.dataset,
        shards=options.shards,
        output=options.output,
        code=code_fingerprint(Path(__file__).name, engine_file(stage.generation.engine)),
        memory=1e6 * options.mem_mb if options.mem_mb else None,
        kept=options.kept,
    )
    run(job, engine_loader(stage.generation.engine))


if __name__ == "__main__":
    launch(__doc__, arguments, main)
