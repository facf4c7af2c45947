"""What the tables say, in sentences."""

from feyntune.report.results import is_headline
from feyntune.report.typeset import decimals, interval

LEVEL = 0.05
"""Holm-corrected p-values below this count as a difference."""


def findings(results, means, comparisons):
    """Sentences on each set and headline measure: base and best run, how many differ from their base, layer sets.

    Args:
        results: ``measures.Results``.
        means: the table ``distributions`` as a DataFrame.
        comparisons: the table ``comparisons``.

    Returns:
        Dicts with ``set``, ``title`` (of the measure) and ``sentences``.
    """
    return [
        {"set": name, "title": measure.title, "sentences": _sentences(results.runs, measure, rows, pairs)}
        for name in results.values
        for measure in filter(is_headline, results.measures)
        if len(rows := _of(means, name, measure))
        for pairs in [_of(comparisons, name, measure)]
    ]


def _of(table, name, measure):
    return table[(table["set"] == name) & (table["measure"] == measure.name)]


def _sentences(runs, measure, rows, pairs):
    bases = list(dict.fromkeys(runs.loc[runs["layers"] == "base", "run"]))
    pairs = pairs.assign(better=(pairs["difference"] < 0) == (measure.better == "lower"))
    return [
        *_means(measure, rows, bases),
        *_against_base(pairs[pairs["against"].isin(bases)]),
        *_between_layers(runs, pairs[~pairs["against"].isin(bases)]),
    ]


def _means(measure, rows, bases):
    places = decimals(rows["mean"])
    told = {row.run: interval(row.mean, row.low, row.high, places) for row in rows.itertuples()}
    best = rows.sort_values("mean", ascending=measure.better == "lower", kind="stable")["run"].iloc[0]
    extreme = "lowest" if measure.better == "lower" else "highest"
    yield f"{best} has the {extreme} mean, {told[best]}."
    for base in bases:
        if base in told and base != best:
            yield f"{base} has {told[base]}."


def _against_base(pairs):
    if len(pairs):
        yield f"Against the base model, {_tally(pairs)}."


def _between_layers(runs, pairs):
    layers = runs.drop_duplicates("run").set_index("run")["layers"]
    named = pairs.assign(one=pairs["run"].map(layers), other=pairs["against"].map(layers))
    for (one, other), rows in named.groupby(["one", "other"], sort=False):
        yield f"Layers {one} against {other}: {_tally(rows)}."


def _tally(pairs):
    """How many of the pairs' first runs are better and worse than chance explains."""
    sure = pairs[pairs["p_holm"] < LEVEL]
    better = int(sure["better"].sum())
    return f"of {len(pairs)} compared, {better} better, {len(sure) - better} worse, {len(pairs) - len(sure)} undecided"
