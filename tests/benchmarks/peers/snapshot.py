"""From a snapshot to the splits of hep-th, against a plain polars script.

Both are programs that start anew each time, with one thread: ours are two, of which the first reads all papers into a
store that further datasets are then made from. In the comparison ours does not look for near-duplicates.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import yaml

from benchmarks.comparison import OURS, REFERENCE, Benchmark, Case
from benchmarks.datasets import generate_snapshot, run_program
from benchmarks.peers import PYTHON
from feyntune.data.schema import SPLITS
from support.workspace import PROJECT

CATEGORY = "hep-th"
COLUMNS = ["id", "abstract", "orig_abstract", "authors", "title", "categories", "versions"]


def prepare(rows: int, folder: Path) -> Case:
    """The case of a synthetic snapshot of so many papers."""
    snapshot = folder / "snapshot.jsonl"
    generate_snapshot(snapshot, rows)
    for way in (REFERENCE, OURS):
        (folder / way).mkdir()
    script = Path(__file__).with_name("polars_script.py")
    command = [PYTHON, script, snapshot, CATEGORY, folder / REFERENCE]
    ways = {
        REFERENCE: lambda: subprocess.run(command, check=True) and folder / REFERENCE,
        OURS: lambda: _ours(snapshot, folder / OURS),
    }
    return Case(rows, ways)


def _ours(snapshot: Path, folder: Path) -> Path:
    settings = yaml.safe_load((PROJECT / "config/paper.yaml").read_text())["datasets"][CATEGORY]
    stage = {"dataset": settings, "leaks": {"threshold": None}, "control_papers": []}
    store = ["--store", folder / "store.parquet", "--report", folder / "store.json"]
    run_program("read_snapshot.py", "--snapshot", snapshot, *store, "--threads", 1)
    run_program("build_dataset.py", *store, "--folder", folder / CATEGORY, "--settings", json.dumps(stage))
    return folder / CATEGORY


def check(results: dict[str, Any]) -> str:
    """The same papers in the same order, all columns equal, in every split."""
    from pyarrow.parquet import read_table

    counts = []
    for split in SPLITS:
        theirs, ours = (
            read_table(results[way] / f"{split}.parquet", columns=COLUMNS).select(COLUMNS).to_pylist()
            for way in (REFERENCE, OURS)
        )
        assert theirs == ours, f"{split}: the rows differ"
        counts.append(f"{len(ours):,} {split}")
    return f"the same papers in the same order: {', '.join(counts)}"


BENCHMARKS = [
    Benchmark(
        name="polars",
        title="from a snapshot to one dataset, against a plain polars script",
        unit="papers",
        sizes=(200_000,),
        prepare=prepare,
        check=check,
        with_memory=False,
    )
]
