"""The tables of `results/tables`: what is in each, and how they are written."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from feyntune.config.schema.report import TablesStage
from feyntune.core.columns import check_numbers
from feyntune.core.files import read_table
from feyntune.report.changes import changes, changes_layout
from feyntune.report.checkpoints import curves, curves_layout, read_curves
from feyntune.report.group_layouts import seed_comparisons_layout, seeds_layout, sweep_layout
from feyntune.report.marks import footnote, with_marks
from feyntune.report.membership import membership, membership_layout
from feyntune.report.outputs import CHECKPOINTS, remove_others, table_files, table_names
from feyntune.report.pool import LABELS, column_names
from feyntune.report.results import Quantity, Results
from feyntune.report.seeds import grouped, seed_comparisons, seeds_table, settings_by_run
from feyntune.report.summaries import comparisons, corpus, distributions, summary
from feyntune.report.sweep import sweep_table, varied_keys
from feyntune.report.typeset import decimals, fraction, interval, interval_decimals, number, p_value, write_formats

if TYPE_CHECKING:
    import pandas

CORPUS = {"corpus_perplexity": "Corpus perplexity", "corpus_bits_per_byte": "Corpus bits per byte"}
DESCRIBED = {"std": "Std", "min": "Min", "25%": "25%", "50%": "Median", "75%": "75%", "max": "Max"}
BETTER = {"lower": "lower", "higher": "higher", None: "neither"}


def summary_layout(table: pandas.DataFrame, quantities: Sequence[Quantity]) -> pandas.DataFrame:
    """A row for each run: means with percentile intervals, of the quantities that fit on a page.

    Those are the headline quantities and those of the tokens. The CSV file has all; so has the table of distributions.
    """
    import pandas

    shown = _labels(table)
    shown["Abstracts"] = table["abstracts"].map("{:,}".format)
    titles = {each.name: each.title for each in quantities if each.headline or each.name == "bits_per_byte"} | CORPUS
    for name, title in titles.items():
        bounds = table[name], table[f"{name}_low"], table[f"{name}_high"]
        shown[title] = _intervals(table, name, f"{name}_low", f"{name}_high", [interval_decimals(*bounds)] * len(table))
    shown["Stopped by length"] = table["stopped_by_length"].map(fraction)
    return pandas.DataFrame(shown)


def distributions_layout(table: pandas.DataFrame, quantities: Sequence[Quantity]) -> pandas.DataFrame:
    """A row for each run and quantity, as ``describe()`` has it, and both kinds of intervals of the mean."""
    import pandas

    shown, places = _labels(table), _places(table, "mean")
    shown["Quantity"] = table["quantity"].map({each.name: each.title for each in quantities})
    shown["Abstracts"] = table["n"].map("{:,}".format)
    shown["Mean [percentile]"] = _intervals(table, "mean", "low", "high", places)
    shown["Mean [BCa]"] = _intervals(table, "mean", "bca_low", "bca_high", places)
    for column, title in DESCRIBED.items():
        shown[title] = list(map(number, table[column], places))
    return pandas.DataFrame(shown)


def comparisons_layout(table: pandas.DataFrame, quantities: Sequence[Quantity]) -> pandas.DataFrame:
    """A row for each pair and quantity: difference with interval, p-values, fractions of abstracts."""
    import pandas

    shown, places = _labels(table), _places(table, "difference")
    shown["Against"] = table["against"]
    shown["Quantity"] = table["quantity"].map({each.name: each.title for each in quantities})
    shown["Abstracts"] = table["abstracts"].map("{:,}".format)
    shown["Difference"] = _intervals(table, "difference", "low", "high", places)
    shown["p"] = table["p"].map(p_value)
    shown["p (Holm)"] = table["p_holm"].map(p_value)
    for column in ("wins", "ties", "loses"):
        shown[column.capitalize()] = table[column].map(fraction)
    return pandas.DataFrame(shown)


def similarity_layout(table: pandas.DataFrame) -> pandas.DataFrame:
    """A row for each run: every statistic that it has."""
    import pandas

    shown = _labels(table)
    for column in table.columns[len(LABELS) :]:
        places = decimals(table[column])
        shown[_similarity_title(column)] = [number(value, places) for value in table[column]]
    return pandas.DataFrame(shown)


INCLUDED = {
    "": "",
    "_bos": " with BOS",
    "_diagonal": " with the diagonal",
    "_diagonal_bos": " with the diagonal and BOS",
}
"""What a statistic of cosines includes, by the ending of its column, the longest last."""


def _similarity_title(column: str) -> str:
    ending = [end for end in INCLUDED if column.endswith(end)][-1]
    return column.removesuffix(ending).replace("_", " ").capitalize() + INCLUDED[ending]


def quantities_table(quantities: Sequence[Quantity]) -> pandas.DataFrame:
    """A row for each quantity: its name in the tables, title, better direction, whether it is a headline, meaning."""
    import pandas

    rows = [(each.name, each.title, BETTER[each.direction], each.headline, each.description) for each in quantities]
    return pandas.DataFrame(rows, columns=["quantity", "title", "better", "headline", "description"])


def quantities_layout(table: pandas.DataFrame) -> pandas.DataFrame:
    """The same for people."""
    titles = {"quantity": "Name in files", "title": "Quantity", "better": "Better", "description": "Meaning"}
    return table[["title", "better", "description", "quantity"]].rename(columns=titles)


def _labels(table: pandas.DataFrame) -> dict[str, pandas.Series]:
    """The set, where there are several, and the run."""
    return {**({"Set": table["set"]} if table["set"].nunique() > 1 else {}), "Run": table["run"]}


def _places(table: pandas.DataFrame, column: str) -> list[int]:
    """Decimals for each row: the same for all rows of a quantity."""
    by_quantity = {
        name: interval_decimals(rows[column], rows["low"], rows["high"]) for name, rows in table.groupby("quantity")
    }
    return [by_quantity[name] for name in table["quantity"]]


def _intervals(table: pandas.DataFrame, value: str, low: str, high: str, places: Sequence[int]) -> list[str]:
    return list(map(interval, table[value], table[low], table[high], places))


CAPTIONS = {
    "summary": "Means over abstracts with {percent} percentile bootstrap intervals.",
    "distributions": "Each quantity over the abstracts, with {percent} bootstrap intervals of the mean.",
    "comparisons": "Mean differences on the same abstracts with {percent} percentile bootstrap intervals; p of a paired"
    " permutation test, and corrected by Holm for all comparisons of a quantity on a set; fractions of abstracts.",
    "changes": "Change in bits per byte of each run against its base model on each set, on the same texts, with"
    " {percent} percentile bootstrap intervals; below zero the run predicts them better.",
    "membership": "How well Min-K%++ separates texts that a model may have been trained on from texts that it cannot"
    " have seen: area under the ROC curve with {percent} intervals (DeLong). 0.5: not at all; 1: perfectly.",
    "similarity": "Cosines between the embeddings of all pairs of abstracts.",
    "quantities": "What the columns of the other tables mean.",
    CHECKPOINTS: "Adapters after each evaluation of their training, on samples of the sets: means with {percent} normal"
    " intervals; step 0 is the base model. Best: the lowest perplexity on the validation split of the run's dataset.",
    "seeds": "Means over abstracts and seeds, with {percent} intervals that hold both sources of variance (crossed"
    " random effects, not bootstrap). Spread: standard deviation of the means of the seeds. *: one training, bootstrap"
    " interval over abstracts only.",
    "seed_comparisons": "Differences of means over seeds on the same abstracts, with {percent} intervals and p-values"
    " that hold the variance between abstracts and between seeds; p corrected by Holm for all comparisons of a quantity"
    " on a set. Spread: standard deviation of a difference of two single runs because of their seeds. *: one training"
    " each, abstracts only.",
    "sweep": "Means over abstracts and seeds by varied settings, with {percent} intervals that hold both sources of"
    " variance. *: one training, bootstrap over abstracts only.",
}


def write_tables(
    results: Results, similarity: Path, stage: TablesStage, folder: Path, checkpoints: Sequence[Path] = ()
) -> None:
    """Write every table in every format.

    Args:
        results: what all runs achieved.
        similarity: pooled parquet file of similarity statistics.
        stage: settings.
        folder: folder to write into.
        checkpoints: tables of adapters at evaluation steps, if these are evaluated.
    """
    described = distributions(results, stage.uncertainty, stage.seed)
    summed = summary(results, described, corpus(results, stage.uncertainty, stage.seed))
    compared = comparisons(results, stage.compared_layers, stage.uncertainty, stage.seed, settings_by_run(stage.groups))
    changed = changes(compared, described, results.runs)
    separated = membership(results, stage.membership, stage.uncertainty.confidence)
    similar, listed = _read_similarity(similarity), quantities_table(results.quantities)
    tables = {
        "summary": (summed, summary_layout(summed, results.quantities)),
        "distributions": (described, distributions_layout(described, results.quantities)),
        "comparisons": (compared, comparisons_layout(compared, results.quantities)),
        "changes": (changed, changes_layout(changed)),
        "membership": (separated, membership_layout(separated)),
        "similarity": (similar, similarity_layout(similar)),
        "quantities": (listed, quantities_layout(listed)),
        **_of_groups(results, stage, described, compared),
    }
    if checkpoints:
        learned = curves(read_curves(checkpoints))
        tables[CHECKPOINTS] = learned, curves_layout(learned, results.quantities, stage.uncertainty.confidence)
    marks = {**results.marks, **grouped(results, stage.groups).marks} if stage.groups else results.marks
    hints = {each.title: each.description for each in results.quantities}
    percent, notes = f"{100 * stage.uncertainty.confidence:g}%", footnote(results.marks)
    for name, (exact, shown) in tables.items():
        caption = CAPTIONS[name].format(percent=percent) + notes * ("Run" in shown)
        write_formats(Path(folder) / name, exact, with_marks(shown, marks), caption, hints)
    remove_others(Path(folder), table_files(folder, stage.groups, checkpoints=bool(checkpoints)))


def _read_similarity(path: Path) -> pandas.DataFrame:
    """The pooled statistics of similarities: labels, and numbers. Raises FeynTuneError if others are in the file."""
    numbers = [name for name in column_names(path) if name not in LABELS]
    table = read_table(path, [*LABELS, *numbers], texts=LABELS)
    check_numbers(table, numbers, path)
    return table.to_pandas()


def _of_groups(
    results: Results, stage: TablesStage, described: pandas.DataFrame, compared: pandas.DataFrame
) -> dict[str, tuple[pandas.DataFrame, pandas.DataFrame]]:
    """The tables of groups of runs, exact and for people; none where there are no groups."""
    groups, confidence, quantities = stage.groups, stage.uncertainty.confidence, results.quantities
    if not groups:
        return {}
    seeds = seeds_table(results, groups, described, confidence)
    pairs = seed_comparisons(results, groups, stage.compared_layers, compared, confidence)
    swept = sweep_table(groups, seeds, pairs, grouped(results, groups).runs)
    tables = {
        "seeds": (seeds, seeds_layout(seeds, quantities)),
        "seed_comparisons": (pairs, seed_comparisons_layout(pairs, quantities)),
        "sweep": (swept, sweep_layout(swept, quantities, varied_keys(groups))),
    }
    return {name: tables[name] for name in table_names(groups) if name in tables}
