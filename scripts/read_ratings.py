"""Read people's ratings: means by model and category, agreement between raters, correlation with metrics.

python scripts/read_ratings.py --ratings ratings/sheet-*.csv --key ratings/key.csv --set hep-th \\
    --metrics semscore=results/semscore/all.parquet --output-folder results/ratings
"""

import argparse
from pathlib import Path

from feyntune.config.schema.report import Uncertainty
from feyntune.core.cli import launch, named_file, read_settings
from feyntune.core.errors import FeynTuneError


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--ratings", nargs="+", type=Path, required=True, help="filled sheets, or the paper's columns")
    parser.add_argument("--key", type=Path, help="key.csv of the sheets")
    parser.add_argument(
        "--metrics", nargs="*", type=named_file, default=[], metavar="METRIC=FILE", help="pooled metrics"
    )
    parser.add_argument("--set", help="evaluation set whose completions were rated; needed with --metrics")
    parser.add_argument("--seed", type=int, default=42, help="seed of the resampling")
    parser.add_argument("--settings", default="{}", help="Uncertainty, as JSON or a file of it")
    parser.add_argument("--output-folder", type=Path, required=True, help="folder for the tables")


def main(options: argparse.Namespace) -> None:
    """Read, compute, write, print."""
    import pandas

    from feyntune.report.rating_statistics import check_output, rating_tables, write_rating_tables
    from feyntune.report.ratings import read_ratings

    if options.metrics and not options.set:
        raise FeynTuneError("--metrics needs --set: the evaluation set whose completions were rated")
    check_output(options.output_folder, [*options.ratings, *([options.key] if options.key else [])])
    ratings = pandas.DataFrame(read_ratings(options.ratings, options.key))
    uncertainty = read_settings(Uncertainty, options.settings)
    tables = rating_tables(ratings, dict(options.metrics), options.set, uncertainty, options.seed)
    write_rating_tables(ratings, tables, options.output_folder)
    for shown in (shown for _, shown, _ in tables.values()):
        print(shown.to_string(index=False), end="\n\n")


if __name__ == "__main__":
    launch(__doc__, arguments, main)
