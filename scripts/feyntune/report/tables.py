"""The tables of `results/tables`: what is in each, and how they are written."""

from pathlib import Path

from feyntune.core.files import read_table
from feyntune.report.pool import LABELS
from feyntune.report.results import is_headline
from feyntune.report.summaries import comparisons, corpus, distributions, summary
from feyntune.report.typeset import decimals, interval, number, p_value, share, write_formats

CORPUS = {"corpus_perplexity": "Corpus perplexity", "corpus_bits_per_byte": "Corpus bits per byte"}
DESCRIBED = {"std": "Std", "min": "Min", "25%": "25%", "50%": "Median", "75%": "75%", "max": "Max"}


def summary_layout(table, measures):
    """A row for each run: means with percentile intervals of what is measured."""
    import pandas

    shown = _labels(table)
    shown["Abstracts"] = table["abstracts"].map("{:,}".format)
    ordered = sorted(measures, key=lambda measure: not is_headline(measure))
    titles = {m.name: m.title for m in ordered if m.name != "stopped_by_length"} | CORPUS
    for name in titles:
        places = decimals(table[name])
        shown[titles[name]] = _intervals(table, name, f"{name}_low", f"{name}_high", [places] * len(table))
    shown["Stopped by length"] = table["stopped_by_length"].map(share)
    return pandas.DataFrame(shown)


def distributions_layout(table, measures):
    """A row for each run and measure, as ``describe()`` has it, and both kinds of intervals of the mean."""
    import pandas

    shown, places = _labels(table), _places(table, "mean")
    shown["Measure"] = table["measure"].map({measure.name: measure.title for measure in measures})
    shown["Abstracts"] = table["n"].map("{:,}".format)
    shown["Mean [percentile]"] = _intervals(table, "mean", "low", "high", places)
    shown["Mean [BCa]"] = _intervals(table, "mean", "bca_low", "bca_high", places)
    for column, title in DESCRIBED.items():
        shown[title] = list(map(number, table[column], places))
    return pandas.DataFrame(shown)


def comparisons_layout(table, measures):
    """A row for each pair and measure: difference with interval, p-values, shares of abstracts."""
    import pandas

    shown, places = _labels(table), _places(table, "difference", digits=3)
    shown["Against"] = table["against"]
    shown["Measure"] = table["measure"].map({measure.name: measure.title for measure in measures})
    shown["Abstracts"] = table["abstracts"].map("{:,}".format)
    shown["Difference"] = _intervals(table, "difference", "low", "high", places)
    shown["p"] = table["p"].map(p_value)
    shown["p (Holm)"] = table["p_holm"].map(p_value)
    for column in ("wins", "ties", "loses"):
        shown[column.capitalize()] = table[column].map(share)
    return pandas.DataFrame(shown)


def similarity_layout(table):
    """A row for each run: every statistic that it has."""
    import pandas

    shown = _labels(table)
    for column in table.columns[len(LABELS) :]:
        places = decimals(table[column])
        shown[column.replace("_", " ").capitalize()] = [number(value, places) for value in table[column]]
    return pandas.DataFrame(shown)


def _labels(table):
    """The set, where there are several, and the run."""
    return {**({"Set": table["set"]} if table["set"].nunique() > 1 else {}), "Run": table["run"]}


def _places(table, column, digits=4):
    """Decimals for each row: the same for all rows of a measure."""
    by_measure = {name: decimals(values, digits) for name, values in table.groupby("measure")[column]}
    return [by_measure[name] for name in table["measure"]]


def _intervals(table, value, low, high, places):
    return list(map(interval, table[value], table[low], table[high], places))


CAPTIONS = {
    "summary": "Means over abstracts with {percent} percentile bootstrap intervals.",
    "distributions": "Each measure over the abstracts, with {percent} bootstrap intervals of the mean.",
    "comparisons": "Mean differences on the same abstracts with {percent} percentile bootstrap intervals; p of a paired"
    " permutation test, and corrected by Holm within a set and measure; shares of abstracts.",
    "similarity": "Cosines between the embeddings of all pairs of abstracts.",
}


def write_tables(results, similarity, stage, folder):
    """Write every table in every format.

    Args:
        results: ``measures.Results``.
        similarity: pooled parquet file of similarity statistics.
        stage: ``settings.report.TablesStage``.
        folder: folder to write into.
    """
    described = distributions(results, stage.uncertainty, stage.seed)
    summed = summary(results, described, corpus(results, stage.uncertainty, stage.seed))
    compared = comparisons(results, stage.compared_layers, stage.uncertainty, stage.seed)
    similar = read_table(similarity).to_pandas()
    tables = {
        "summary": (summed, summary_layout(summed, results.measures)),
        "distributions": (described, distributions_layout(described, results.measures)),
        "comparisons": (compared, comparisons_layout(compared, results.measures)),
        "similarity": (similar, similarity_layout(similar)),
    }
    percent = f"{100 * stage.uncertainty.confidence:g}%"
    for name, (exact, shown) in tables.items():
        write_formats(Path(folder) / name, exact, shown, CAPTIONS[name].format(percent=percent))
