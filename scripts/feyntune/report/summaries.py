"""The numbers of each run: means with intervals, distributions over abstracts, and corpus-wide ratios."""

import math

from feyntune.report.uncertainty import mean_intervals, ratio_intervals

BOUNDS = ("low", "high", "bca_low", "bca_high")
DISTRIBUTION = ("std", "min", "25%", "50%", "75%", "max")


def distributions(results, uncertainty, seed):
    """A row for each set, run and measure that the run has.

    Columns: ``set, run, measure, n``, the mean with its percentile and BCa intervals, standard deviation (n - 1),
    minimum, quartiles (linear between ranks) and maximum over the abstracts.
    """
    import pandas

    parts = [_of_set(name, values, uncertainty, seed) for name, values in results.values.items()]
    table = pandas.concat(parts, ignore_index=True)
    return _in_order(table, results)


def _of_set(name, values, uncertainty, seed):
    described = values.describe().T[list(DISTRIBUTION)]
    table = mean_intervals(values, uncertainty, seed).join(described).dropna(subset="mean")
    table.index.names = ["measure", "run"]
    table = table.reset_index()
    table.insert(0, "set", name)
    return table[["set", "run", "measure", "n", "mean", *BOUNDS, *DISTRIBUTION]]


def _in_order(table, results):
    """Sets and runs in the people's order, and within a run the measures in theirs."""
    places = {(row.set, row.run): place for place, row in enumerate(results.runs.itertuples())}
    measures = {measure.name: place for place, measure in enumerate(results.measures)}
    runs = [places[key] for key in zip(table["set"], table["run"], strict=True)]
    keyed = table.assign(_run=runs, _measure=table["measure"].map(measures))
    return keyed.sort_values(["_run", "_measure"], ignore_index=True).drop(columns=["_run", "_measure"])


def corpus(results, uncertainty, seed):
    """Perplexity and bits per byte of all abstracts as one text, with intervals over the abstracts drawn.

    exp(sum of nll / number of tokens), and sum of nll / ln 2 / number of bytes: unlike a mean over abstracts, a long
    one counts by its length. Both grow with the ratio, so the ratio's interval carries over.

    Returns:
        DataFrame indexed by set and run with ``corpus_perplexity`` and ``corpus_bits_per_byte``, and for both
        ``_low``, ``_high``, ``_bca_low``, ``_bca_high``.
    """
    import pandas

    parts = {name: _corpus_of_set(tokens, uncertainty, seed) for name, tokens in results.tokens.items()}
    return pandas.concat(parts, names=["set", "run"])


def _corpus_of_set(tokens, uncertainty, seed):
    import numpy
    import pandas

    nats = tokens["nll"]
    per_token = ratio_intervals(nats, tokens["tokens"], uncertainty, seed).drop(columns="n")
    per_byte = ratio_intervals(nats, tokens["bytes"], uncertainty, seed).drop(columns="n")
    return pandas.concat(
        [
            numpy.exp(per_token).rename(columns=lambda name: _named("corpus_perplexity", name)),
            (per_byte / math.log(2)).rename(columns=lambda name: _named("corpus_bits_per_byte", name)),
        ],
        axis=1,
    )


def _named(quantity, column):
    return quantity if column == "ratio" else f"{quantity}_{column}"


def summary(results, distributions, corpus):
    """A row for each set and run: labels, abstracts, the corpus-wide numbers, and each measure's mean and interval.

    A measure's columns are its name, ``_low`` and ``_high`` (percentile), ``_bca_low`` and ``_bca_high``.
    """
    table = results.runs.set_index(["set", "run"])
    counts = distributions.groupby(["set", "run"], sort=False)["n"].max()
    wide = distributions.pivot(index=["set", "run"], columns="measure", values=["mean", *BOUNDS])
    table = table.join(counts.rename("abstracts")).join(corpus)
    for measure in results.measures:
        for column in ("mean", *BOUNDS):
            name = measure.name if column == "mean" else f"{measure.name}_{column}"
            table[name] = wide.get((column, measure.name), math.nan)
    return table.reset_index()
