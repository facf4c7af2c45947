"""Fail if a metric could not be computed for some run: name the reasons, and delete these results.

The tables and the report are made without them. After the cause is removed, the next `snakemake` computes what was
deleted, and everything made from it.
"""

import argparse
from collections import Counter
from pathlib import Path

from feyntune.core.cli import launch
from feyntune.core.errors import FeynTuneError
from feyntune.core.files import read_table, table_provenance, write_json
from feyntune.core.provenance import MISSING


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--metrics", nargs="*", type=Path, default=[], help="pooled tables, {results}/{metric}/all.parquet"
    )
    parser.add_argument(
        "--checkpoints", nargs="*", type=Path, default=[], help="tables of adapters at evaluation steps, {run}.parquet"
    )
    parser.add_argument("--results", type=Path, required=True, help="folder of results")
    parser.add_argument("--output", type=Path, required=True, help="JSON file to write if nothing is missing")


def main(options: argparse.Namespace) -> None:
    """Look, delete, fail."""
    missing = {path.parent.name: table_provenance(path).get(MISSING, []) for path in options.metrics}
    faults = [line for metric, runs in missing.items() for line in fault_lines(metric, runs)]
    for metric, runs in missing.items():
        for each in runs:
            (options.results / metric / each["set"] / f"{each['run']}.parquet").unlink(missing_ok=True)
            (options.results / "references" / metric / f"{each['set']}.safetensors").unlink(missing_ok=True)
    faults += [line for path in options.checkpoints for line in checkpoint_faults(path)]
    if faults:
        raise FeynTuneError("\n".join(faults))
    write_json(options.output, {"metrics": list(missing)})


def fault_lines(metric: str, runs: list[dict[str, str]]) -> list[str]:
    """A line for each reason why a metric has no values, with the number of the results that lack them."""
    counts: dict[str, int] = {}
    for each in runs:
        counts[each["reason"]] = counts.get(each["reason"], 0) + 1
    return [
        f"{metric}: not computed for {count} {'result' if count == 1 else 'results'}: {reason}"
        f" (mend this and run again, or take {metric} out of $.metrics)"
        for reason, count in counts.items()
    ]


def checkpoint_faults(path: Path) -> list[str]:
    """A line for each reason why a table of adapters at evaluation steps lacks values; such a table is deleted."""
    reasons = read_table(path, ["metric", "reason"]).to_pylist()
    counts = Counter((row["metric"], row["reason"]) for row in reasons if row["reason"])
    if counts:
        path.unlink()
    return [
        f"{path.stem}: no {metric} for {count} means while it was trained: {reason} (mend this and run again)"
        for (metric, reason), count in counts.items()
    ]


if __name__ == "__main__":
    launch(__doc__, arguments, main)
