"""Draw the figures, as PNG and SVG."""

import argparse
from pathlib import Path

from feyntune.config.schema.report import FiguresStage
from feyntune.core.cli import launch, read_settings
from feyntune.report.options import add_checkpoints, add_pooled


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_pooled(parser)
    add_checkpoints(parser)
    parser.add_argument("--tables", type=Path, required=True, help="folder of tables made of the same results")
    parser.add_argument("--history", nargs="*", type=Path, default=[], help=".../{run}/history.parquet")
    parser.add_argument("--matrices", nargs="*", type=Path, default=[], help=".../{set}/{run}.pt: cosines")
    parser.add_argument("--benchmarks", nargs="*", type=Path, default=[], help="{costs}/{stage}/.../{job}.tsv")
    parser.add_argument("--costs", type=Path, default=Path("results/costs"), help="folder of the benchmarks")
    parser.add_argument("--settings", required=True, help="FiguresStage, as JSON or a file of it")
    parser.add_argument("--output-folder", type=Path, required=True, help="folder to write into")


def main(options: argparse.Namespace) -> None:
    """Read, draw, write."""
    from feyntune.report.figures.gallery import FigureSources, draw_figures
    from feyntune.report.results import PooledFiles, read_results

    stage = read_settings(FiguresStage, options.settings)
    files = PooledFiles(options.completions, options.perplexity, dict(options.metrics))
    sources = FigureSources(
        options.tables, options.history, options.matrices, options.benchmarks, options.costs, options.checkpoints
    )
    draw_figures(read_results(files, stage.metrics), sources, stage, options.output_folder)


if __name__ == "__main__":
    launch(__doc__, arguments, main)
