"""Write a base model as an ordinary model folder with the numbers that training multiplies with."""

from __future__ import annotations

import argparse
from pathlib import Path

from feyntune.config.schema.evaluated import DequantizeStage
from feyntune.core.cli import launch, read_settings


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--base", type=Path, required=True, help="folder of the base model")
    parser.add_argument("--adapter", type=Path, help="folder of a PEFT adapter to merge into the weights")
    parser.add_argument("--settings", required=True, help="DequantizeStage, as JSON or a file that contains it")
    parser.add_argument("--output", type=Path, required=True, help="model folder to write")


def main(options: argparse.Namespace) -> None:
    """Run the job."""
    stage = read_settings(DequantizeStage, options.settings)

    from feyntune.models.dequantize import DequantizeJob, run

    run(
        DequantizeJob(
            quantization=stage.quantization,
            precision=stage.precision,
            base=options.base,
            adapter=options.adapter,
            base_names=stage.base_names,
            output=options.output,
        )
    )


if __name__ == "__main__":
    launch(__doc__, arguments, main)
