"""Blind rating sheets: each rater gets the same continuations in another order, without the names of the models."""

from __future__ import annotations

import csv
import io
import random
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from feyntune.core.errors import FeynTuneError, listed, shorten
from feyntune.core.files import read_table, write_text
from feyntune.core.schema import NAME
from feyntune.core.spreadsheets import read_spreadsheet
from feyntune.report.ratings import read_key

SHEET = ("rater", "code", "prompt", "continuation", "score")
KEY = ("code", "paper", "model", "source", "category")
SHOWN = ("code", "prompt", "continuation")
LONGEST = 80
"""Characters that a rater's name may have."""
_CATEGORIES = {"base": "Base", "all": "LoRA-all", "qkv": "LoRA-QKV", "full": "Full"}
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
    of_set = [("set", "==", evaluation_set)]
    rows = read_table(completions, columns, of_set, texts=columns).to_pylist()
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
        raise FeynTuneError(f"{completions}: no evaluation set {shorten(evaluation_set)} in it; check --set")
    for run in runs or []:
        if run not in present:
            raise FeynTuneError(f"{completions}: no run {shorten(run)} on {evaluation_set}; there is {listed(present)}")
    return [row for row in rows if row["run"] in (runs or present)]


def _drawn_papers(rows: list[dict[str, str]], papers: int, drawing: random.Random) -> list[str]:
    """A sample of the papers that every run has completed."""
    runs: dict[str, list[str]] = {}
    for row in rows:
        runs.setdefault(row["run"], []).append(row["id"])
    if papers < 1:
        raise FeynTuneError(f"--papers {papers}: a sheet needs at least one paper; give a larger number")
    ids, *others = runs.values()
    common = [one for one in ids if all(one in other for other in map(set, others))]
    if len(common) < papers:
        raise FeynTuneError(
            f"--papers {papers}: all {len(runs)} runs have completed only {len(common)} papers in common; ask for fewer"
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


def write_sheets(items: Sequence[Item], raters: Sequence[str], seed: int, folder: Path) -> list[str]:
    """Write ``sheet-{rater}.csv`` for each rater, and ``key.csv``, which raters must not see, into ``folder``.

    Files that are there are never touched: people's ratings cannot be made again. Raters that have no sheet yet can be
    added, with the same items.

    Returns:
        The raters whose sheets were written.

    Raises:
        FeynTuneError: a rater's name is no file name or is given twice, or the folder has sheets of other items.
    """
    check_raters(raters)
    _check_folder(folder, items)
    sheets = {rater: folder / f"sheet-{rater}.csv" for rater in raters}
    added = [rater for rater, path in sheets.items() if not path.exists()]
    if not added:
        raise FeynTuneError(f"{folder}: has a sheet of every rater already (nothing was changed); name other --raters")
    if not (folder / "key.csv").exists():
        _write_csv(folder / "key.csv", KEY, items)
    for rater in added:
        shuffled = random.Random(f"{seed} {rater}").sample(items, len(items))
        _write_csv(sheets[rater], SHEET, [{**item, "rater": rater, "score": ""} for item in shuffled])
    return added


def check_raters(raters: Sequence[str]) -> None:
    """Raise FeynTuneError if a rater's name could not be part of a file name, or two differ in case only."""
    for rater in raters:
        if not re.fullmatch(NAME, rater) or len(rater) > LONGEST:
            raise FeynTuneError(
                f"--raters: {shorten(rater)}: a name has at most {LONGEST} letters, digits, '.', '_', '-'; change it"
            )
    lowered = [rater.lower() for rater in raters]
    twice = next((rater for rater in raters if lowered.count(rater.lower()) > 1), None)
    if twice:
        raise FeynTuneError(f"--raters: {twice!r} is there twice; give each rater another name")


def _check_folder(folder: Path, items: Sequence[Item]) -> None:
    """Refuse a folder whose key or sheets are of other items."""
    sheets, key = sorted(folder.glob("sheet-*.csv")), folder / "key.csv"
    if sheets and not key.exists():
        raise FeynTuneError(f"{folder}: has sheets, but no key.csv; name another --folder, so that none is mixed up")
    if key.exists() and {code: _identity(row, KEY) for code, row in read_key(key).items()} != {
        item["code"]: _identity(item, KEY) for item in items
    }:
        raise FeynTuneError(f"{key}: of other papers, runs or --seed; name another --folder (nothing was changed)")
    texts = {item["code"]: _identity(item, SHOWN) for item in items}
    for sheet in sheets:
        for _, row in read_spreadsheet(sheet, SHEET).rows:
            if _identity(row, SHOWN) != texts.get(row["code"].strip()):
                raise FeynTuneError(
                    f"{sheet}: of other completions than now; name another --folder (nothing was changed)"
                )


def _identity(row: Mapping[str, str], columns: Sequence[str]) -> list[list[str]]:
    """The words in some columns: spreadsheets change line breaks and blanks when they save."""
    return [harmless(row.get(name, "")).split() for name in columns]


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
