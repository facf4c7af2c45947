"""Write blind rating sheets of completions, one for each rater, and the key that says which model wrote which.

python scripts/rating_sheet.py --set hep-th --raters ann ben eve --folder ratings

Sheets and keys that are there are never changed. The same command with further raters adds their sheets.
"""

import argparse
from pathlib import Path

from feyntune.core.cli import launch, say


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--completions", type=Path, default=Path("results/completions/all.parquet"))
    parser.add_argument("--set", required=True, help="evaluation set whose completions are rated")
    parser.add_argument("--runs", nargs="+", help="runs to rate; all of them if not given")
    parser.add_argument("--papers", type=int, default=25, help="papers to draw (the paper's: 25)")
    parser.add_argument("--raters", nargs="+", required=True, help="names of the raters, as in the sheets")
    parser.add_argument("--seed", type=int, default=42, help="seed of the sample, the codes and the order")
    parser.add_argument("--folder", type=Path, required=True, help="where sheet-{rater}.csv and key.csv go")


def main(options: argparse.Namespace) -> None:
    """Draw, shuffle, write."""
    from feyntune.report.rating_sheets import draw_items, write_sheets

    items = draw_items(options.completions, options.set, options.runs, options.papers, options.seed)
    added = write_sheets(items, options.raters, options.seed, options.folder)
    say(f"{len(items)} continuations for {', '.join(added)} in {options.folder}; keep key.csv from the raters")
    kept = [rater for rater in options.raters if rater not in added]
    if kept:
        say(f"kept as they are: the sheets of {', '.join(kept)}")


if __name__ == "__main__":
    launch(__doc__, arguments, main)
