"""The tables of `results/tables`: what is in each, and how they are written."""

from pathlib import Path

from feyntune.files import read_table
from feyntune.report.comparisons import comparisons
from feyntune.report.layouts import comparisons_layout, distributions_layout, similarity_layout, summary_layout
from feyntune.report.summaries import corpus, distributions, summary
from feyntune.report.typeset import write_formats

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
