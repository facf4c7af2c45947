"""The tables of people's ratings."""

import math

from feyntune.core.files import read_table
from feyntune.report.statistics import mean_intervals
from feyntune.report.typeset import interval, number, write_formats


def mean_ratings(ratings, by, uncertainty, seed):
    """Mean rating of each model or category, highest first, with intervals.

    Ratings of one paper go together (a hard one is hard for all), so papers are resampled, not ratings: the mean is
    that of the papers' means.

    Args:
        ratings: DataFrame with the columns ``ratings.COLUMNS``.
        by: ``model`` or ``category``.

    Returns:
        DataFrame with the columns ``by``, ``ratings`` (their number), ``n`` (of papers), ``mean`` and its bounds.
    """
    papers = ratings.pivot_table(index="paper", columns=by, values="score", aggfunc="mean")
    table = mean_intervals(papers, uncertainty, seed)
    table.insert(0, "ratings", ratings.groupby(by)["score"].size())
    return table.sort_values("mean", ascending=False, kind="stable").rename_axis(by).reset_index()


def krippendorff_alpha(items):
    """Krippendorff's alpha for interval data: 1 for perfect agreement, 0 for what chance gives.

    One less the ratio of the mean squared difference within items to that among all ratings, each item's pairs weighing
    as its ratings do (Krippendorff, *Computing Krippendorff's Alpha-Reliability*, 2011).

    Args:
        items: for each item its ratings; items with a single one have no pair and do not count.

    Returns:
        alpha; NaN where no item has two ratings, or all ratings are the same.
    """
    pairable = [ratings for ratings in items if len(ratings) > 1]
    everything = [rating for ratings in pairable for rating in ratings]
    expected = _squared_differences(everything) / (len(everything) - 1) if pairable else 0
    observed = sum(_squared_differences(ratings) / (len(ratings) - 1) for ratings in pairable)
    return 1 - observed / expected if expected else math.nan


def _squared_differences(values):
    """Sum of (a - b)^2 over all ordered pairs."""
    mean = math.fsum(values) / len(values)
    return 2 * len(values) * math.fsum((value - mean) ** 2 for value in values)


def agreement_by_category(ratings):
    """Krippendorff's alpha over all items, and over each category's: raters may agree on models, and not on texts.

    Returns:
        DataFrame with the columns ``category`` (``all`` first), ``items`` and ``alpha``.
    """
    import pandas

    groups = [("all", ratings), *ratings.groupby("category", sort=False)]
    rows = []
    for name, group in groups:
        items = [list(scores) for _, scores in group.groupby(["paper", "model"])["score"]]
        rows.append({"category": name, "items": len(items), "alpha": krippendorff_alpha(items)})
    return pandas.DataFrame(rows)


def automatic_scores(paths, evaluation_set):
    """Scores by paper and model.

    Args:
        paths: pooled parquet files by metric.
        evaluation_set: the set whose completions were rated.

    Returns:
        DataFrame indexed by ``paper`` and ``model``, a column for each metric and ``{metric}_continuation``.
    """
    import pandas

    tables = []
    for metric, path in paths.items():
        table = read_table(path, ["run", "id", "score", "score_continuation"], filters=[("set", "==", evaluation_set)])
        named = table.to_pandas().rename(columns={"run": "model", "id": "paper"}).set_index(["paper", "model"])
        tables.append(named.rename(columns={"score": metric, "score_continuation": f"{metric}_continuation"}))
    return pandas.concat(tables, axis=1)


def correlations(ratings, scores):
    """Spearman's rank correlation of mean ratings with automatic scores: over items, and over models' means.

    Args:
        ratings: DataFrame with the columns ``ratings.COLUMNS``.
        scores: from ``automatic_scores``.

    Returns:
        DataFrame with the columns ``measure``, ``items``, ``rho_items``, ``models`` and ``rho_models``.
    """
    import pandas

    rated = ratings.groupby(["paper", "model"])["score"].mean().rename("rating")
    joined = scores.join(rated, how="inner")
    means = joined.groupby("model").mean()
    rows = [
        {
            "measure": name,
            "items": int(joined[name].notna().sum()),
            "rho_items": _spearman(joined, name),
            "models": len(means),
            "rho_models": _spearman(means, name),
        }
        for name in scores
    ]
    return pandas.DataFrame(rows)


def _spearman(table, name):
    both = table[["rating", name]].dropna()
    return both["rating"].corr(both[name], method="spearman") if len(both) > 2 else math.nan


def rating_tables(ratings, scores, evaluation_set, uncertainty, seed):
    """Tables by name, each as (exact, as people read it, caption).

    Args:
        ratings: DataFrame with the columns ``ratings.COLUMNS``.
        scores: pooled scores by metric; none means no table of correlations.
        evaluation_set: the set whose completions were rated.
    """
    percent = f"{100 * uncertainty.confidence:g}%"
    caption = f"Mean ratings with {percent} percentile bootstrap intervals over papers."
    tables = {}
    for by in ("category", "model"):
        means = mean_ratings(ratings, by, uncertainty, seed)
        tables[f"by_{by}"] = (means, _means_layout(means, by), caption)
    agreement = agreement_by_category(ratings)
    shown = agreement.rename(columns=str.capitalize).assign(Alpha=agreement["alpha"].map(_two))
    tables["agreement"] = (agreement, shown, "Krippendorff's alpha between raters, for interval data.")
    if scores:
        table = correlations(ratings, automatic_scores(scores, evaluation_set))
        tables["correlations"] = (table, _correlations_layout(table), "Spearman's correlation of ratings with scores.")
    return tables


def _two(value):
    return number(value, 2)


def _means_layout(table, by):
    import pandas

    means = [interval(row.mean, row.low, row.high, 2) for row in table.itertuples()]
    columns = {by.capitalize(): table[by], "Papers": table["n"], "Ratings": table["ratings"], "Mean": means}
    return pandas.DataFrame(columns)


def _correlations_layout(table):
    rounded = table.assign(rho_items=table["rho_items"].map(_two), rho_models=table["rho_models"].map(_two))
    titles = {"measure": "Measure", "items": "Items", "rho_items": "Over items", "models": "Models"}
    return rounded.rename(columns={**titles, "rho_models": "Over models"})


def write_rating_tables(ratings, tables, folder):
    """Write ``ratings.csv`` (the paper's columns) and every table in every format into ``folder``."""
    from feyntune.core.files import write_text

    write_text(folder / "ratings.csv", ratings.to_csv(index=False))
    for name, (exact, shown, caption) in tables.items():
        write_formats(folder / name, exact, shown, caption)
