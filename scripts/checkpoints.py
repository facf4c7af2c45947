"""Evaluate the adapters of all evaluation steps of a training on samples: learning curves of all quantities."""

from __future__ import annotations

import argparse
from pathlib import Path

from feyntune.config.schema.checkpoints import CheckpointsStage
from feyntune.core.cli import about, launch, named_file, read_settings
from feyntune.core.fingerprint import code_fingerprint
from feyntune.evaluation.metrics import module_file


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--base", type=Path, required=True, help="folder of the base model")
    parser.add_argument("--archive", type=Path, required=True, help="zip file with the adapters of all steps")
    parser.add_argument("--record", type=Path, required=True, help="run.json of the training")
    parser.add_argument("--validation", type=Path, required=True, help="parquet file of its validation split")
    parser.add_argument("--sets", nargs="+", type=named_file, metavar="SET=FILE", help="evaluation sets")
    parser.add_argument("--models", nargs="*", type=named_file, default=[], metavar="METRIC=FOLDER", help="of metrics")
    parser.add_argument("--training", type=Path, help="training split, for metrics that need it")
    parser.add_argument("--settings", required=True, help="CheckpointsStage, as JSON or a file that contains it")
    parser.add_argument("--shards", type=Path, required=True, help="folder for unfinished work; removed at the end")
    parser.add_argument("--kept", type=Path, help="folder in which finished results of this job are kept")
    parser.add_argument("--mem-mb", type=int, help="MB that it may use on a CPU; default: half of the machine's")
    parser.add_argument("--output", type=Path, required=True, help="parquet file to write")


def main(options: argparse.Namespace) -> None:
    """Run the job."""
    stage = read_settings(CheckpointsStage, options.settings)
    about(stage.run)

    from feyntune.evaluation.checkpoints import CheckpointsJob, run

    kinds = sorted({entry.kind for entry in stage.metrics.values()})
    run(
        CheckpointsJob(
            stage=stage,
            base=options.base,
            archive=options.archive,
            record=options.record,
            files={stage.validation: options.validation, **dict(options.sets)},
            models=dict(options.models),
            training=options.training,
            shards=options.shards,
            output=options.output,
            code=code_fingerprint(Path(__file__).name, *map(module_file, kinds)),
            memory=1e6 * options.mem_mb if options.mem_mb else None,
            kept=options.kept,
        )
    )


if __name__ == "__main__":
    launch(__doc__, arguments, main)
