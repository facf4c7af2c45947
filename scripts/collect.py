"""Pool the results of all runs into one tidy table, with the runs' labels in front."""

import argparse
from pathlib import Path

from feyntune.core.cli import json_list, launch
from feyntune.core.errors import FeynTuneError, shorten
from feyntune.core.files import read_table
from feyntune.report.pool import COLUMNS, LABELS, OPTIONAL, pool_statistics, pool_tables


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--kind", required=True, help="completions, perplexity, similarity, or a metric's name")
    parser.add_argument("--columns", nargs="+", help="columns of a metric's tables; the other kinds have their own")
    parser.add_argument("--inputs", nargs="+", type=Path, required=True, help="one file for each run")
    parser.add_argument("--runs", type=json_list, required=True, help="JSON: for each input its labels, in order")
    parser.add_argument("--sets", nargs="*", type=Path, default=[], help="evaluation sets; other rows are left out")
    parser.add_argument("--output", type=Path, required=True, help="parquet file to write")


def main(options: argparse.Namespace) -> None:
    """Pool statistics (JSON) or tables (parquet)."""
    if len(options.inputs) != len(options.runs):
        raise FeynTuneError(f"--runs: {len(options.runs)} entries for {len(options.inputs)} inputs; give one for each")
    for each in options.runs:
        if not isinstance(each, dict) or not set(LABELS) <= set(each):
            raise FeynTuneError(f"--runs: {shorten(each)} has not all of {', '.join(LABELS)}; give the labels of a run")
    if options.kind == "similarity":
        pool_statistics(options.inputs, options.runs, options.output)
        return
    columns = COLUMNS.get(options.kind) or options.columns
    if not columns:
        raise FeynTuneError(f"--columns: name the columns of {options.kind}, 'id' first")
    sets = {path.stem: read_table(path, ["id"], texts=["id"])["id"] for path in options.sets}
    pool_tables(columns, options.inputs, options.runs, options.output, sets, OPTIONAL.get(options.kind, ()))


if __name__ == "__main__":
    launch(__doc__, arguments, main)
