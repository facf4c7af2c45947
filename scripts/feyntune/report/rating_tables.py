"""The tables of people's ratings."""

from feyntune.report.agreement import agreement_by_category, automatic_scores, correlations, mean_ratings
from feyntune.report.typeset import interval, number, write_formats


def rating_tables(ratings, scores, evaluation_set, uncertainty, seed):
    """Tables by name, each as (exact, as people read it, caption).

    Args:
        ratings: DataFrame with the columns ``ratings.COLUMNS``.
        scores: pooled scores by scorer; none means no table of correlations.
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
    from feyntune.files import write_text

    write_text(folder / "ratings.csv", ratings.to_csv(index=False))
    for name, (exact, shown, caption) in tables.items():
        write_formats(folder / name, exact, shown, caption)
