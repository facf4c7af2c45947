"""What the tables hold: distributions, corpus-wide numbers, and paired comparisons.

Two runs are compared on the same abstracts, so that what makes an abstract hard for both cancels out.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from feyntune.config.schema.report import Uncertainty
from feyntune.core.errors import FeynTuneError
from feyntune.report.results import Quantity, Results, have_same_tokens
from feyntune.report.significance import decidable, holm, paired_p_values, smallest_p_values
from feyntune.report.statistics import mean_intervals, ratio_intervals

if TYPE_CHECKING:
    import pandas

NO_SETTINGS: Mapping[str, Any] = {}
BOUNDS = ("low", "high", "bca_low", "bca_high")
DISTRIBUTION = ("std", "min", "25%", "50%", "75%", "max")
COLUMNS = (
    *("set", "run", "against", "quantity", "abstracts", "difference", *BOUNDS),
    *("p", "p_holm", "comparisons", "decidable", "wins", "ties", "loses"),
)
"""Columns of the table of comparisons."""


def distributions(results: Results, uncertainty: Uncertainty, seed: int) -> pandas.DataFrame:
    """A row for each set, run and quantity that the run has.

    Columns: ``set, run, quantity, n``, the mean with its percentile and BCa intervals, standard deviation (n - 1),
    minimum, quartiles (linear between ranks) and maximum over the abstracts.
    """
    import pandas

    parts = [_of_set(name, values, uncertainty, seed) for name, values in results.values.items()]
    return _in_order(pandas.concat(parts, ignore_index=True), results)


def _of_set(name: str, values: pandas.DataFrame, uncertainty: Uncertainty, seed: int) -> pandas.DataFrame:
    described = values.describe().T[list(DISTRIBUTION)]
    table = mean_intervals(values, uncertainty, seed).join(described).dropna(subset="mean")
    table.index.names = ["quantity", "run"]
    table = table.reset_index()
    table.insert(0, "set", name)
    return table[["set", "run", "quantity", "n", "mean", *BOUNDS, *DISTRIBUTION]]


def _in_order(table: pandas.DataFrame, results: Results) -> pandas.DataFrame:
    """Sets and runs in the order of the results, and within a run the quantities in theirs."""
    places = {(row.set, row.run): place for place, row in enumerate(results.runs.itertuples())}
    quantities = {quantity.name: place for place, quantity in enumerate(results.quantities)}
    runs = [places[key] for key in zip(table["set"], table["run"], strict=True)]
    keyed = table.assign(_run=runs, _quantity=table["quantity"].map(quantities))
    return keyed.sort_values(["_run", "_quantity"], ignore_index=True).drop(columns=["_run", "_quantity"])


def corpus(results: Results, uncertainty: Uncertainty, seed: int) -> pandas.DataFrame:
    """Perplexity and bits per byte of all abstracts as one text, with intervals over the abstracts drawn.

    exp(sum of nll / number of tokens), and sum of nll / ln 2 / number of bytes: unlike in a mean over abstracts, a long
    one counts by its length. Both grow with the ratio, so the ratio's interval carries over.

    Returns:
        DataFrame indexed by set and run with ``corpus_perplexity`` and ``corpus_bits_per_byte``, and for both
        ``_low``, ``_high``, ``_bca_low``, ``_bca_high``.
    """
    import pandas

    known = {name: tokens for name, tokens in results.tokens.items() if "nll" in tokens}  # imported runs may lack them
    parts = {name: _corpus_of_set(tokens, uncertainty, seed) for name, tokens in known.items()}
    if not parts:
        ends = ("", *(f"_{bound}" for bound in BOUNDS))
        names = [f"{quantity}{end}" for quantity in ("corpus_perplexity", "corpus_bits_per_byte") for end in ends]
        nothing = pandas.MultiIndex.from_arrays([[], []], names=["set", "run"])
        return pandas.DataFrame(index=nothing, columns=names, dtype=float)
    return pandas.concat(parts, names=["set", "run"])


def _corpus_of_set(tokens: pandas.DataFrame, uncertainty: Uncertainty, seed: int) -> pandas.DataFrame:
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


def _named(quantity: str, column: str) -> str:
    return quantity if column == "ratio" else f"{quantity}_{column}"


def summary(results: Results, distributions: pandas.DataFrame, corpus: pandas.DataFrame) -> pandas.DataFrame:
    """A row for each set and run: labels, abstracts, the corpus-wide numbers, each quantity's mean and interval.

    A quantity's columns are its name, ``_low`` and ``_high`` (percentile), ``_bca_low`` and ``_bca_high``. The last
    column are the run's ``marks``.
    """
    import pandas

    table = results.runs.set_index(["set", "run"])
    counts = distributions.groupby(["set", "run"], sort=False)["n"].max()
    wide = distributions.pivot(index=["set", "run"], columns="quantity", values=["mean", *BOUNDS])
    table = table.join(counts.rename("abstracts")).join(corpus)
    columns = {
        quantity.name if column == "mean" else f"{quantity.name}_{column}": wide.get((column, quantity.name), math.nan)
        for quantity in results.quantities
        for column in ("mean", *BOUNDS)
    }
    complete = pandas.concat([table, pandas.DataFrame(columns, index=table.index)], axis=1).reset_index()
    return complete.assign(marks=[results.marks.get(run, "") for run in complete["run"]])


def comparisons(
    results: Results,
    compared_layers: Iterable[tuple[str, str]],
    uncertainty: Uncertainty,
    seed: int,
    settings: Mapping[str, Any] = NO_SETTINGS,
) -> pandas.DataFrame:
    """A row for each pair of runs and each quantity of which lower or higher is better.

    Each run is compared with the base run of its model (one of unknown model with every base run), and within a model
    and dataset each pair of ``compared_layers``; of runs with different ``settings`` (by run) none.

    Returns:
        DataFrame with the columns ``COLUMNS``: ``abstracts`` that both have; ``difference`` (mean of run less against)
        with its percentile and BCa intervals; ``p`` (paired permutation test), ``p_holm`` (corrected within the set
        and the quantity, for this number of ``comparisons``); whether the test is ``decidable``, that is, has enough
        abstracts to give a difference after the correction; and the fractions of abstracts that ``run`` ``wins``,
        ``ties`` and ``loses``.
    """
    import pandas

    pairs = {
        name: run_pairs(runs, list(compared_layers), settings) for name, runs in results.runs.groupby("set", sort=False)
    }
    parts = [
        _of_quantity(
            name, values[quantity.name], quantity, comparable(results, name, quantity, pairs[name]), uncertainty, seed
        )
        for name, values in results.values.items()
        for quantity in results.quantities
        if pairs[name] and quantity.direction and quantity.name in values
    ]
    parts = [part for part in parts if len(part)]
    return pandas.concat(parts, ignore_index=True) if parts else pandas.DataFrame(columns=list(COLUMNS))


def run_pairs(
    runs: pandas.DataFrame, compared_layers: Sequence[tuple[str, str]], settings: Mapping[str, Any]
) -> list[tuple[str, str]]:
    """Pairs (run, against) of run names, first against base runs, then between layer sets.

    Args:
        runs: labels of the runs on one set.
        compared_layers: pairs of layer sets.
        settings: what else must be equal for two layer sets to be compared, by run.
    """
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
        and settings.get(row.run) == settings.get(other.run)
    ]
    return against_base + between_layers


def comparable(
    results: Results, name: str, quantity: Quantity, pairs: Sequence[tuple[str, str]]
) -> list[tuple[str, str]]:
    """The pairs that a quantity can compare: perplexities need the same tokenizer."""
    tokens = results.tokens.get(name)
    if quantity.name != "perplexity" or tokens is None or "tokens" not in tokens:
        return list(pairs)
    numbers = tokens["tokens"]
    known = set(numbers.columns)
    return [pair for pair in pairs if not set(pair) <= known or have_same_tokens(numbers[list(pair)])]


def _known(label: object) -> bool:
    return isinstance(label, str)


def _of_quantity(
    name: str,
    values: pandas.DataFrame,
    quantity: Quantity,
    pairs: Sequence[tuple[str, str]],
    uncertainty: Uncertainty,
    seed: int,
) -> pandas.DataFrame:
    """The comparisons of one quantity on one set; none where no pair of runs has it."""
    import pandas

    present = set(values.columns[values.notna().any()])  # imported runs have some quantities only
    compared = [(run, against) for run, against in pairs if {run, against} <= present]
    if not compared:
        return pandas.DataFrame(columns=list(COLUMNS))
    differences = pandas.DataFrame({(run, against): values[run] - values[against] for run, against in compared})
    differences.columns = pandas.MultiIndex.from_tuples(differences.columns, names=["run", "against"])
    _check_common(name, quantity, differences)
    table = mean_intervals(differences, uncertainty, seed)
    table = table.rename(columns={"n": "abstracts", "mean": "difference"})
    table["p"] = paired_p_values(differences, uncertainty, seed)
    table["p_holm"] = holm(table["p"])
    table["comparisons"] = len(table)
    table["decidable"] = decidable(table["p"], smallest_p_values(differences.to_numpy(dtype=float)))
    table = table.join(_fractions(differences, quantity)).reset_index()
    return table.assign(set=name, quantity=quantity.name)[list(COLUMNS)]


def _check_common(name: str, quantity: Quantity, differences: pandas.DataFrame) -> None:
    for run, against in differences.columns[differences.isna().all()]:
        raise FeynTuneError(
            f"{quantity.name} on {name}: {run} and {against} have no abstract in common; evaluate them on the same set"
        )


def _fractions(differences: pandas.DataFrame, quantity: Quantity) -> pandas.DataFrame:
    """Fractions of abstracts on which the first run of each pair is better, equal and worse."""
    import pandas

    gains = differences if quantity.direction == "higher" else -differences
    number = differences.notna().sum()
    return pandas.DataFrame(
        {"wins": (gains > 0).sum() / number, "ties": (gains == 0).sum() / number, "loses": (gains < 0).sum() / number}
    )
