"""Paired comparisons: two runs on the same abstracts, so that what makes an abstract hard for both cancels out."""

import math

from feyntune.core.errors import FeynTuneError
from feyntune.report.statistics import holm, mean_intervals, paired_p_values, ratio_intervals

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


def comparisons(results, compared_layers, uncertainty, seed):
    """A row for each pair of runs and each measure of which lower or higher is better.

    Each run is compared with the base run of its model (one of unknown model with every base run), and within a model
    and dataset each pair of ``compared_layers``.

    Returns:
        DataFrame with the columns ``set, run, against, measure``; ``abstracts`` that both have; ``difference`` (mean of
        run less against) with its percentile and BCa intervals; ``p`` (paired permutation test), ``p_holm`` (corrected
        within the set and the measure); and the shares of abstracts that ``run`` ``wins``, ``ties`` and ``loses``.
    """
    import pandas

    parts = [
        _of_measure(name, values[measure.name], measure, pairs, uncertainty, seed)
        for name, values in results.values.items()
        if (pairs := _pairs(results.runs[results.runs["set"] == name], compared_layers))
        for measure in results.measures
        if measure.better
    ]
    return pandas.concat(parts, ignore_index=True) if parts else pandas.DataFrame(columns=list(COLUMNS))


COLUMNS = (
    "set",
    "run",
    "against",
    "measure",
    "abstracts",
    "difference",
    *BOUNDS,
    "p",
    "p_holm",
    "wins",
    "ties",
    "loses",
)


def _pairs(runs, compared_layers):
    """Pairs (run, against) of run names, first against base runs, then between layer sets."""
    rows = list(runs.itertuples())
    bases = [row for row in rows if row.layers == "base"]
    against_base = [
        (row.run, base.run)
        for row in rows
        if row.layers != "base"
        for base in bases
        if base.model == row.model or not _known(row.model)
    ]
    between_layers = [
        (row.run, other.run)
        for one, another in compared_layers
        for row in rows
        for other in rows
        if (row.layers, other.layers) == (one, another)
        and _known(row.dataset)
        and (row.model, row.dataset) == (other.model, other.dataset)
    ]
    return against_base + between_layers


def _known(label):
    return isinstance(label, str)


def _of_measure(name, values, measure, pairs, uncertainty, seed):
    import pandas

    measured = set(values.columns[values.notna().any()])  # what comes from elsewhere tells some measures only
    differences = pandas.DataFrame(
        {(run, against): values[run] - values[against] for run, against in pairs if {run, against} <= measured}
    )
    differences.columns = pandas.MultiIndex.from_tuples(differences.columns, names=["run", "against"])
    _check_common(name, measure, differences)
    table = mean_intervals(differences, uncertainty, seed)
    table = table.rename(columns={"n": "abstracts", "mean": "difference"})
    table["p"] = paired_p_values(differences, uncertainty, seed)
    table["p_holm"] = holm(table["p"])
    table = table.join(_shares(differences, measure)).reset_index()
    return table.assign(set=name, measure=measure.name)[list(COLUMNS)]


def _check_common(name, measure, differences):
    for run, against in differences.columns[differences.isna().all()]:
        raise FeynTuneError(
            f"{measure.name} on {name}: {run} and {against} have no abstract in common; evaluate them on the same set"
        )


def _shares(differences, measure):
    """Shares of abstracts on which the first run of each pair is better, equal and worse."""
    import pandas

    gains = differences if measure.better == "higher" else -differences
    number = differences.notna().sum()
    return pandas.DataFrame(
        {"wins": (gains > 0).sum() / number, "ties": (gains == 0).sum() / number, "loses": (gains < 0).sum() / number}
    )
