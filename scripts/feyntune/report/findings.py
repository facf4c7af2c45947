"""What the tables say, in sentences."""

from feyntune.report.typeset import interval

LEVEL = 0.05
"""Holm-corrected p-values below this count as a difference."""


def findings(results, means, comparisons):
    """Sentences on each set and measure: the best run, how many differ from their base, and layer sets compared.

    Args:
        results: ``measures.Results``.
        means: the table ``distributions`` as a DataFrame.
        comparisons: the table ``comparisons``.

    Returns:
        Dicts with ``set``, ``title`` (of the measure) and ``text``.
    """
    told = []
    for name in results.values:
        for measure in results.measures:
            rows = means[(means["set"] == name) & (means["measure"] == measure.name)]
            pairs = comparisons[(comparisons["set"] == name) & (comparisons["measure"] == measure.name)]
            pairs = pairs.assign(better=(pairs["difference"] < 0) == (measure.better == "lower"))
            if measure.better and len(rows):
                sentences = [
                    _best(measure, rows),
                    *_against_base(results.runs, pairs),
                    *_between_layers(results.runs, pairs),
                ]
                told.append({"set": name, "title": measure.title, "text": " ".join(sentences)})
    return told


def _best(measure, rows):
    ordered = rows.sort_values("mean", ascending=measure.better == "lower", kind="stable")
    best = ordered.iloc[0]
    extreme = "lowest" if measure.better == "lower" else "highest"
    return f"The {extreme} mean is that of {best['run']}: {interval(best['mean'], best['low'], best['high'])}."


def _against_base(runs, pairs):
    bases = set(runs.loc[runs["layers"] == "base", "run"])
    pairs = pairs[pairs["against"].isin(bases)]
    if len(pairs):
        yield f"Against the base model on the same abstracts, {_tally(pairs)}."


def _between_layers(runs, pairs):
    layers = runs.drop_duplicates("run").set_index("run")["layers"]
    named = pairs.assign(one=pairs["run"].map(layers), other=pairs["against"].map(layers))
    for (one, other), rows in named[named["other"] != "base"].groupby(["one", "other"], sort=False):
        yield f"{one} against {other}: {_tally(rows)}."


def _tally(pairs):
    """How many of the pairs' first runs are better and worse than chance explains."""
    sure = pairs[pairs["p_holm"] < LEVEL]
    better = int(sure["better"].sum())
    worse = len(sure) - better
    return f"{better} of {len(pairs)} are better and {worse} worse (Holm-corrected p < {LEVEL:g})"
