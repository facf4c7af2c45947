"""What the tables say, in sentences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from feyntune.report.marks import MEANINGS
from feyntune.report.results import Quantity, Results
from feyntune.report.significance import LEVEL
from feyntune.report.typeset import interval, interval_decimals

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True)
class Finding:
    """What is found for one quantity on one evaluation set."""

    set: str
    title: str
    """Title of the quantity."""
    sentences: list[str]


def findings(results: Results, means: pandas.DataFrame, comparisons: pandas.DataFrame) -> list[Finding]:
    """Sentences on each set and headline quantity: base and best run, how many differ from their base, layer sets.

    Args:
        results: what all runs achieved.
        means: the table ``distributions``.
        comparisons: the table ``comparisons``.
    """
    return [
        Finding(name, quantity.title, _sentences(results, quantity, rows, pairs))
        for name in results.values
        for quantity in results.quantities
        if quantity.headline and quantity.direction and len(rows := _of(means, name, quantity))
        for pairs in [_of(comparisons, name, quantity)]
    ]


def _of(table: pandas.DataFrame, name: str, quantity: Quantity) -> pandas.DataFrame:
    return table[(table["set"] == name) & (table["quantity"] == quantity.name)]


def _sentences(results: Results, quantity: Quantity, rows: pandas.DataFrame, pairs: pandas.DataFrame) -> list[str]:
    runs, marks = results.runs, results.marks
    bases = list(dict.fromkeys(runs.loc[runs["layers"] == "base", "run"]))
    pairs = pairs.assign(better=(pairs["difference"] < 0) == (quantity.direction == "lower"))
    pairs["marks"] = [f"{marks.get(row.run, '')}{marks.get(row.against, '')}" for row in pairs.itertuples()]
    against_base, between = pairs[pairs["against"].isin(bases)], pairs[~pairs["against"].isin(bases)]
    unmarked = rows[~rows["run"].isin(marks)]
    return [
        *_best_of_marked(quantity, rows, marks),
        *([_best(runs, quantity, unmarked, against_base)] if len(unmarked) else []),
        *_against_base(against_base),
        *_between_layers(runs, between),
    ]


def _best_of_marked(quantity: Quantity, rows: pandas.DataFrame, marks: Mapping[str, str]) -> Iterator[str]:
    """The run with the best mean, if it has a mark, and what the mark means; the next sentence is on the others."""
    best = rows.sort_values("mean", ascending=quantity.direction == "lower", kind="stable")["run"].iloc[0]
    if best in marks:
        places = interval_decimals(rows["mean"], rows["low"], rows["high"])
        row = rows[rows["run"] == best].iloc[0]
        extreme = "lowest" if quantity.direction == "lower" else "highest"
        meanings = "; ".join(MEANINGS[sign] for sign in marks[best])
        shown = interval(row["mean"], row["low"], row["high"], places)
        yield f"{best}{marks[best]} has the {extreme} mean, {shown}, but {meanings}. Of the runs without such a mark:"


def _best(runs: pandas.DataFrame, quantity: Quantity, rows: pandas.DataFrame, pairs: pandas.DataFrame) -> str:
    """The run with the best mean, and whether that is better than its base model."""
    places = interval_decimals(rows["mean"], rows["low"], rows["high"])
    shown = {row.run: interval(row.mean, row.low, row.high, places) for row in rows.itertuples()}
    best = rows.sort_values("mean", ascending=quantity.direction == "lower", kind="stable")["run"].iloc[0]
    extreme = "lowest" if quantity.direction == "lower" else "highest"
    own = pairs[pairs["run"] == best]
    if own.empty:
        return f"{best} has the {extreme} mean, {shown[best]}."
    base, sure = own["against"].iloc[0], own["p_holm"].iloc[0] < LEVEL and own["better"].iloc[0]
    if not sure:
        return f"{best} has the {extreme} mean, {shown[best]}, not significantly better than {base}, {shown[base]}."
    verb = "lowers" if quantity.direction == "lower" else "raises"
    return (
        f"{_training(runs, best)} {verb} it from {shown[base]} ({base}) to {shown[best]} ({best}), the {extreme} mean."
    )


def _training(runs: pandas.DataFrame, run: str) -> str:
    """What was done to the base model, as the subject of a sentence."""
    row = runs[runs["run"] == run].iloc[0]
    return f"Training on {row['dataset']}" if isinstance(row["dataset"], str) else run


def _against_base(pairs: pandas.DataFrame) -> Iterator[str]:
    if len(pairs):
        yield f"Compared with the base model, {_tally(pairs)}."


def _between_layers(runs: pandas.DataFrame, pairs: pandas.DataFrame) -> Iterator[str]:
    layers = runs.drop_duplicates("run").set_index("run")["layers"]
    named = pairs.assign(one=pairs["run"].map(layers), other=pairs["against"].map(layers))
    for (one, other), rows in named.groupby(["one", "other"], sort=False):
        yield f"With adapters on the layers {one} instead of {other}, {_tally(rows)}."


def _tally(pairs: pandas.DataFrame) -> str:
    """How many of the pairs' first runs are better and worse with a corrected p-value below the level, as a clause.

    Those that are better, but have a mark, are counted by themselves.
    """
    marked = pairs["better"] & (pairs["p_holm"] < LEVEL) & (pairs["marks"] != "")
    signs = "".join(sign for sign in MEANINGS if pairs.loc[marked, "marks"].str.contains(sign).any())
    total, pairs = len(pairs), pairs[~marked]
    sure, open_ = pairs[pairs["p_holm"] < LEVEL], pairs[pairs["p_holm"] >= LEVEL]
    better, impossible = int(sure["better"].sum()), int((~open_["decidable"]).sum())
    counts = {
        "better": better,
        f"better with a mark{signs}": int(marked.sum()),
        "worse": len(sure) - better,
        "not significantly different": len(open_) - impossible,
        "with too few abstracts for a test": impossible,
    }
    (words, number), *others = [(words, number) for words, number in counts.items() if number]
    verb = "is" if number == 1 else "are"
    first = f"{_part(number, total)} {verb} {words}"
    return ", ".join([first, *(f"{number} {words}" for words, number in others)])


def _part(number: int, total: int) -> str:
    """So many of all runs, as the subject of a clause."""
    if number == total:
        return {1: "the run", 2: "both runs"}.get(total, f"all {total} runs")
    return f"{number} of {total} runs"
