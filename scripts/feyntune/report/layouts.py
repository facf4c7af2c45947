"""Which columns of the exact tables people see, in which words."""

from feyntune.report.typeset import interval, number, p_value, share

CORPUS = {"corpus_perplexity": "Corpus perplexity", "corpus_bits_per_byte": "Corpus bits per byte"}


def summary_layout(table, measures):
    """A row for each run: means with percentile intervals of what is measured."""
    import pandas

    shown = _labels(table, table)
    shown["Abstracts"] = table["abstracts"].map(lambda count: f"{int(count):,}")
    titles = {m.name: m.title for m in measures if m.name != "stopped_by_length"} | CORPUS
    for name in sorted(titles, key=lambda name: name != "perplexity" and name not in CORPUS):
        shown[titles[name]] = _intervals(table, name, f"{name}_low", f"{name}_high")
    shown["Stopped by length"] = table["stopped_by_length"].map(share)
    return pandas.DataFrame(shown)


def distributions_layout(table, measures):
    """A row for each run and measure, as ``describe()`` has it, and both kinds of intervals of the mean."""
    import pandas

    titles = {measure.name: measure.title for measure in measures}
    shown = _labels(table, table)
    shown["Measure"] = table["measure"].map(titles)
    shown["Abstracts"] = table["n"].map("{:,}".format)
    shown["Mean [percentile]"] = _intervals(table, "mean", "low", "high")
    shown["Mean [BCa]"] = _intervals(table, "mean", "bca_low", "bca_high")
    for column, title in DESCRIBED.items():
        shown[title] = table[column].map(number)
    return pandas.DataFrame(shown)


DESCRIBED = {"std": "Std", "min": "Min", "25%": "25%", "50%": "Median", "75%": "75%", "max": "Max"}


def comparisons_layout(table, measures):
    """A row for each pair and measure: difference with interval, p-values, shares of abstracts."""
    import pandas

    titles = {measure.name: measure.title for measure in measures}
    shown = _labels(table, table)
    shown["Against"] = table["against"]
    shown["Measure"] = table["measure"].map(titles)
    shown["Abstracts"] = table["abstracts"].map("{:,}".format)
    shown["Difference"] = _intervals(table, "difference", "low", "high")
    shown["p"] = table["p"].map(p_value)
    shown["p (Holm)"] = table["p_holm"].map(p_value)
    for column in ("wins", "ties", "loses"):
        shown[column.capitalize()] = table[column].map(share)
    return pandas.DataFrame(shown)


def similarity_layout(table):
    """A row for each run: every statistic that it has."""
    import pandas

    shown = _labels(table, table)
    for column in table.columns[len(_LABEL_COLUMNS) :]:
        shown[column.replace("_", " ").capitalize()] = table[column].map(number)
    return pandas.DataFrame(shown)


_LABEL_COLUMNS = ("set", "run", "model", "dataset", "layers")


def _labels(table, all_rows):
    """The set, where there are several, and the run."""
    several = all_rows["set"].nunique() > 1
    return {**({"Set": table["set"]} if several else {}), "Run": table["run"]}


def _intervals(table, value, low, high):
    columns = (table[column] for column in (value, low, high))
    return [interval(*cells) for cells in zip(*columns, strict=True)]
