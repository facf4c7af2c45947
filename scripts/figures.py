"""Draw the figures, as PNG and SVG."""

from pathlib import Path

from feyntune.config.schema.report import FiguresStage
from feyntune.core.cli import launch, read_settings
from feyntune.report.arguments import add_pooled, read_pooled


def arguments(parser):
    """Declare the options."""
    add_pooled(parser)
    parser.add_argument("--tables", type=Path, required=True, help="folder of tables made of the same results")
    parser.add_argument("--history", nargs="*", type=Path, default=[], help=".../{run}/history.parquet")
    parser.add_argument("--matrices", nargs="*", type=Path, default=[], help=".../{set}/{run}.pt: cosines")
    parser.add_argument("--benchmarks", nargs="*", type=Path, default=[], help="{costs}/{stage}/.../{job}.tsv")
    parser.add_argument("--costs", type=Path, default=Path("results/costs"), help="folder of the benchmarks")
    parser.add_argument("--settings", required=True, help="JSON of settings.report.FiguresStage, or a file with it")
    parser.add_argument("--output-folder", type=Path, required=True, help="folder to write into")


def main(options):
    """Read, draw, write."""
    from feyntune.report.figures.gallery import draw_figures

    settings = read_settings(FiguresStage, options.settings)
    draw_figures(read_pooled(options), options, settings)


if __name__ == "__main__":
    launch(__doc__, arguments, main)
