"""Blind rating sheets: each rater gets the same continuations in another order, without the names of the models."""

from __future__ import annotations

import csv
import io
import random
from collections.abc import Mapping, Sequence
from pathlib import Path

from feyntune.core.errors import FeynTuneError
from feyntune.core.files import read_table, write_text

SHEET = ("rater", "code", "prompt", "continuation", "score")
KEY = ("code", "paper", "model", "source", "category")
_CATEGORIES = {"base": "Base", "all": "LoRA-all", "qkv": "LoRA-QKV"}
_FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r")


Item = dict[str, str]
"""A continuation to rate: the keys of ``KEY``, and ``prompt`` and ``continuation``."""


def draw_items(
    completions: Path, evaluation_set: str, runs: Sequence[str] | None, papers: int, seed: int
) -> list[Item]:
    """The continuations to rate: every chosen run's of a random sample of papers.

    Args:
        completions: pooled completions.
        evaluation_set: which set of them.
        runs: names of runs; None takes all.
        papers: how many papers to draw among those that all chosen runs have completed.
        seed: seed of the sample and of the codes.

    Raises:
        FeynTuneError: an unknown run or set, or too few papers.
    """
    columns = ["run", "model", "layers", "id", "prompt", "prediction"]
    rows = read_table(completions, columns=columns, filters=[("set", "==", evaluation_set)]).to_pylist()
    rows = _of_runs(rows, runs, completions, evaluation_set)
    drawing = random.Random(seed)
    chosen = set(_drawn_papers(rows, papers, drawing))
    rows = [row for row in rows if row["id"] in chosen]
    codes = drawing.sample(range(1000, 10 * max(len(rows), 1000)), len(rows))
    return [_item(row, code) for row, code in zip(rows, codes, strict=True)]


def _of_runs(
    rows: list[dict[str, str]], runs: Sequence[str] | None, completions: Path, evaluation_set: str
) -> list[dict[str, str]]:
    present = list(dict.fromkeys(row["run"] for row in rows))
    if not present:
        raise FeynTuneError(f"{completions}: it has no evaluation set {evaluation_set!r}")
    for run in runs or []:
        if run not in present:
            raise FeynTuneError(f"{completions}: no run {run!r} on {evaluation_set}; there is {', '.join(present)}")
    return [row for row in rows if row["run"] in (runs or present)]


def _drawn_papers(rows: list[dict[str, str]], papers: int, drawing: random.Random) -> list[str]:
    """A sample of the papers that every run has completed."""
    runs: dict[str, list[str]] = {}
    for row in rows:
        runs.setdefault(row["run"], []).append(row["id"])
    ids, *others = runs.values()
    common = [one for one in ids if all(one in other for other in map(set, others))]
    if len(common) < papers:
        raise FeynTuneError(
            f"--papers {papers}: all {len(runs)} runs have completed only {len(common)} papers in common"
        )
    return drawing.sample(common, papers)


def _item(row: Mapping[str, str | None], code: int) -> Item:
    return {
        "code": str(code),
        "paper": str(row["id"]),
        "model": str(row["run"]),
        "source": row["model"] or "elsewhere",
        "category": category(row["model"], row["layers"]),
        "prompt": str(row["prompt"]),
        "continuation": str(row["prediction"]),
    }


def category(model: str | None, layers: str | None) -> str:
    """The paper's category of a run, by its layer set; imported completions are those of commercial models."""
    if not model:
        return "Commercial"
    return _CATEGORIES.get(layers, f"LoRA-{layers}") if layers else "LoRA"


def write_sheets(items: Sequence[Item], raters: Sequence[str], seed: int, folder: Path) -> None:
    """Write ``sheet-{rater}.csv`` for each rater and ``key.csv``, which raters must not see, into ``folder``."""
    for rater in raters:
        shuffled = random.Random(f"{seed} {rater}").sample(items, len(items))
        rows = [{**item, "rater": rater, "score": ""} for item in shuffled]
        _write_csv(folder / f"sheet-{rater}.csv", SHEET, rows)
    _write_csv(folder / "key.csv", KEY, items)


def _write_csv(path: Path, columns: Sequence[str], rows: Sequence[Mapping[str, object]]) -> None:
    """Write a CSV file for spreadsheets: with a byte order mark, and no text that would be read as a formula."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, extrasaction="ignore")
    writer.writeheader()
    writer.writerows({name: harmless(str(row[name])) for name in columns} for row in rows)
    write_text(path, "\ufeff" + text.getvalue())


def harmless(text: str) -> str:
    """A text that no spreadsheet reads as a formula."""
    return f"'{text}" if text.startswith(_FORMULA_SIGNS) else text
