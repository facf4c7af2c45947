"""Blind rating sheets: each rater gets the same continuations in another order, and no rater sees whose they are."""

import csv
import io

from feyntune.core.errors import FeynTuneError
from feyntune.core.files import read_table, write_text

SHEET = ("rater", "code", "prompt", "continuation", "score")
KEY = ("code", "paper", "model", "source", "category")
_CATEGORIES = {"base": "Base", "all": "LoRA-all", "qkv": "LoRA-QKV"}
_FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r")


def draw_items(completions, evaluation_set, runs, papers, seed):
    """The continuations to rate: every chosen run's of a random sample of papers.

    Args:
        completions: pooled completions.
        evaluation_set: which set of them.
        runs: names of runs; None takes all.
        papers: how many papers to draw among those that all chosen runs have completed.
        seed: seed of the sample and of the codes.

    Returns:
        Dicts with the keys of ``KEY``, and ``prompt`` and ``continuation``.

    Raises:
        FeynTuneError: an unknown run or set, or too few papers.
    """
    import random

    columns = ["run", "model", "layers", "id", "prompt", "prediction"]
    rows = read_table(completions, columns=columns, filters=[("set", "==", evaluation_set)]).to_pylist()
    rows = _of_runs(rows, runs, completions, evaluation_set)
    drawing = random.Random(seed)
    chosen = set(_drawn_papers(rows, papers, drawing))
    rows = [row for row in rows if row["id"] in chosen]
    codes = drawing.sample(range(1000, 10 * max(len(rows), 1000)), len(rows))
    return [_item(row, code) for row, code in zip(rows, codes, strict=True)]


def _of_runs(rows, runs, completions, evaluation_set):
    present = list(dict.fromkeys(row["run"] for row in rows))
    if not present:
        raise FeynTuneError(f"{completions}: it has no evaluation set {evaluation_set!r}")
    for run in runs or []:
        if run not in present:
            raise FeynTuneError(f"{completions}: no run {run!r} on {evaluation_set}; there is {', '.join(present)}")
    return [row for row in rows if row["run"] in (runs or present)]


def _drawn_papers(rows, papers, drawing):
    """Papers that every run has completed, as many as asked for."""
    runs = {}
    for row in rows:
        runs.setdefault(row["run"], []).append(row["id"])
    ids, *others = runs.values()
    common = [one for one in ids if all(one in other for other in map(set, others))]
    if len(common) < papers:
        raise FeynTuneError(
            f"--papers {papers}: all {len(runs)} runs have completed only {len(common)} papers in common"
        )
    return drawing.sample(common, papers)


def _item(row, code):
    return {
        "code": str(code),
        "paper": row["id"],
        "model": row["run"],
        "source": row["model"] or "elsewhere",
        "category": category(row["model"], row["layers"]),
        "prompt": row["prompt"],
        "continuation": row["prediction"],
    }


def category(model, layers):
    """The paper's category of a run: by its layer set; completions from elsewhere are the commercial models'."""
    if not model:
        return "Commercial"
    return _CATEGORIES.get(layers, f"LoRA-{layers}" if layers else "LoRA")


def write_sheets(items, raters, seed, folder):
    """Write ``sheet-{rater}.csv`` for each rater and ``key.csv``, which raters must not see, into ``folder``."""
    import random

    for rater in raters:
        shuffled = random.Random(f"{seed} {rater}").sample(items, len(items))
        rows = [{**item, "rater": rater, "score": ""} for item in shuffled]
        _write_csv(folder / f"sheet-{rater}.csv", SHEET, rows)
    _write_csv(folder / "key.csv", KEY, items)


def _write_csv(path, columns, rows):
    """A CSV file that spreadsheets open as what it is: with a byte order mark, and no text taken for a formula."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, extrasaction="ignore")
    writer.writeheader()
    writer.writerows({name: _harmless(str(row[name])) for name in columns} for row in rows)
    write_text(path, "\ufeff" + text.getvalue())


def _harmless(text):
    return f"'{text}" if text.startswith(_FORMULA_SIGNS) else text
