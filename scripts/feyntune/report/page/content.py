"""Everything that the report shows, gathered from tables, figures and records."""

import base64
import json

from feyntune.core.files import read_json, read_table
from feyntune.core.nested import flattened
from feyntune.core.provenance import provenance
from feyntune.report.costs import by_stage, costs, costs_layout
from feyntune.report.findings import findings
from feyntune.report.page.side_by_side import sampled_abstracts
from feyntune.report.typeset import html_table


def common_and_differing(records):
    """Split records into what all share and what tells them apart.

    Args:
        records: flat dicts by run.

    Returns:
        A dict of the keys with the same value in every record, and by key of the others a dict of values by run; not of
        a key that is just the run's own name.
    """
    names = dict.fromkeys(name for record in records.values() for name in record)
    common, differing = {}, {}
    for name in names:
        values = {run: record.get(name) for run, record in records.items()}
        first = next(iter(values.values()))
        if all(value == first for value in values.values()):
            common[name] = first
        elif any(value != run for run, value in values.items()):
            differing[name] = values
    return common, differing


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


def page_content(results, options, stage):
    """The variables of the template.

    Args:
        results: ``measures.Results``.
        options: the options of `report.py`: paths of everything else.
        stage: ``settings.report.PageStage``.
    """
    import pandas

    means, comparisons = (pandas.read_csv(options.tables / f"{name}.csv") for name in ("distributions", "comparisons"))
    records = {path.parent.name: flattened(read_json(path)) for path in options.records}
    common, differing = common_and_differing(records) if records else ({}, {})
    return {
        "runs": results.runs.astype(object).where(results.runs.notna(), None).to_dict("records"),
        "sets": list(results.values),
        "findings": findings(results, means, comparisons),
        "datasets": {path.parent.name: read_json(path) for path in options.datasets},
        "trained": list(records),
        "common": _texts(common),
        "differing": {name: _texts(values) for name, values in differing.items()},
        "tables": [_table(options.tables, name, title) for name, title in TABLE_TITLES.items()],
        "figures": [_figure(options.figures, name, *texts) for name, texts in FIGURE_CAPTIONS.items()],
        "abstracts": sampled_abstracts(options.completions, results, stage.abstracts, stage.seed),
        "control_prompts": [_control_prompts(path) for path in options.history],
        "costs": _costs(options, stage),
        "provenance": _texts(flattened(provenance())),
    }


def _texts(values):
    return {name: value if isinstance(value, str) else json.dumps(value) for name, value in values.items()}


def _table(folder, name, title):
    caption = (folder / f"{name}.tex").read_text(encoding="utf-8").splitlines()[0].removeprefix("% ")
    return {
        "name": name,
        "title": title,
        "caption": caption,
        "html": (folder / f"{name}.html").read_text(encoding="utf-8"),
    }


def _costs(options, stage):
    """Tables of what stages and jobs took, against what was predicted; None if nothing was measured."""
    table = costs(options.benchmarks, options.costs, options.plan, options.records, stage.gpus)
    if table.empty:
        return None
    tables = {"stages": html_table(costs_layout(by_stage(table))), "jobs": html_table(costs_layout(table))}
    return {**tables, "planned": int(table["predicted"].notna().sum()), "measured": len(table)}


def _figure(folder, name, title, caption):
    drawing = base64.b64encode((folder / f"{name}.svg").read_bytes()).decode("ascii")
    return {"name": name, "title": title, "caption": caption, "source": f"data:image/svg+xml;base64,{drawing}"}


def _control_prompts(path):
    """The control papers as a run completed them before its first step and after its last."""
    history = read_table(path, columns=["step", "control_prompts"]).to_pylist()
    steps = [row for row in history if row["control_prompts"]]
    shown = steps[:1] + steps[1:][-1:]
    return {"run": path.parent.name, "steps": shown}
