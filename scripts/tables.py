"""Make the tables that people read: CSV with every digit, LaTeX and HTML."""

from pathlib import Path

from feyntune.config.schema.report import TablesStage
from feyntune.core.cli import launch, read_settings
from feyntune.report.arguments import add_pooled, read_pooled


def arguments(parser):
    """Declare the options."""
    add_pooled(parser)
    parser.add_argument("--similarity", type=Path, required=True, help="pooled similarity statistics")
    parser.add_argument("--settings", required=True, help="JSON of settings.report.TablesStage, or a file with it")
    parser.add_argument("--output-folder", type=Path, required=True, help="folder to write into")


def main(options):
    """Read what all runs did, compute, write."""
    from feyntune.report.tables import write_tables

    settings = read_settings(TablesStage, options.settings)
    write_tables(read_pooled(options), options.similarity, settings, options.output_folder)


if __name__ == "__main__":
    launch(__doc__, arguments, main)
