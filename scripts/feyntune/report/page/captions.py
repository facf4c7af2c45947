"""Titles and captions of what the report shows, in its order."""

TABLE_TITLES = {
    "summary": "Summary",
    "comparisons": "Paired comparisons",
    "distributions": "Distributions over abstracts",
    "similarity": "Similarity between abstracts",
}
"""Tables by name; what each caption says comes with the table."""

FIGURE_CAPTIONS = {
    "intervals": (
        "Means with error bars",
        "Each run's mean over the abstracts; bars are bootstrap intervals (percentile method). Lower perplexity is"
        " better, a higher score is better. Bars of two runs may overlap and yet differ surely: see the paired"
        " differences.",
    ),
    "differences": (
        "Paired differences",
        "Mean difference of two runs on the same abstracts, with bootstrap intervals. Hollow marks: a difference that"
        " chance may well explain (Holm-corrected p of 0.05 or more). Left of zero the first run has the lower value.",
    ),
    "distributions": (
        "Distributions",
        "Histograms over the abstracts, one hill a run, each scaled to its own height; black ticks are medians."
        " Perplexity is on a logarithmic axis.",
    ),
    "learning_curves": (
        "Learning curves",
        "Loss while training: of each batch (faint), on the run's own test split (solid) and on a sample of what it is"
        " trained on (dotted). A solid line that rises while the dotted one falls would be overfitting.",
    ),
    "cosine_histograms": (
        "Cosines between abstracts",
        "How alike the embeddings of different abstracts are to each run; hills near 1 mean embeddings that hardly"
        " tell abstracts apart.",
    ),
    "cosine_heatmaps": (
        "Matrices of cosines",
        "Each run's cosines between abstracts. All matrices of a set have the order of the first one's clustering, so"
        " that blocks are groups of like abstracts.",
    ),
    "time": ("Time", "What the jobs of each stage took together, from Snakemake's benchmarks."),
}
"""Title and caption of each figure, by name."""
