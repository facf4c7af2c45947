"""Paired comparisons: two runs on the same abstracts, so that what makes an abstract hard for both cancels out."""

from feyntune.errors import FeynTuneError
from feyntune.report.summaries import BOUNDS
from feyntune.report.uncertainty import holm, mean_intervals, paired_p_values


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
