"""Everything that the report shows, gathered from tables, figures and records."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from feyntune.config.schema.report import PageStage
from feyntune.core.files import read_json, read_table
from feyntune.core.nested import flattened
from feyntune.core.provenance import provenance
from feyntune.report.checkpoints import chosen_steps, faults, read_curves
from feyntune.report.costs import by_stage, costs, costs_layout
from feyntune.report.findings import Finding, findings
from feyntune.report.made_files import read_caption, read_drawing, read_exact_table, read_html
from feyntune.report.marks import footnote
from feyntune.report.outputs import CHECKPOINTS, figure_names, table_names
from feyntune.report.page.records import common_and_differing, entries, text, title
from feyntune.report.page.side_by_side import sampled_abstracts
from feyntune.report.results import Missing, Results
from feyntune.report.seed_findings import group_findings, single_seed_line
from feyntune.report.seeds import read_group_table
from feyntune.report.typeset import html_table

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True)
class PageSources:
    """The files that the report is made from, besides the pooled tables."""

    completions: Path
    """Pooled completions."""
    tables: Path
    """Folder of tables."""
    figures: Path
    """Folder of figures."""
    records: Sequence[Path]
    """``{run}/run.json`` of trained runs."""
    history: Sequence[Path]
    """``{run}/history.parquet`` of trained runs."""
    datasets: Sequence[Path]
    """``{dataset}/summary.json``."""
    benchmarks: Sequence[Path]
    """``{costs}/{stage}/…/{job}.tsv``, of which some may be missing."""
    costs: Path
    """Folder of the benchmarks."""
    plan: Path
    """File of the plan; it may be missing."""
    checkpoints: Sequence[Path] = ()
    """``{run}.parquet``: adapters at evaluation steps, if these are evaluated."""


TABLE_TITLES = {
    "summary": "Summary",
    "seeds": "Means over seeds",
    "seed_comparisons": "Comparisons over seeds",
    "sweep": "Varied settings",
    "comparisons": "Paired comparisons",
    "changes": "What runs gained and lost",
    "membership": "Known and unseen texts",
    "distributions": "Distributions over abstracts",
    "similarity": "Similarity between abstracts",
    "quantities": "What the columns mean",
    CHECKPOINTS: "While training",
}
"""Titles of tables by name; captions come with the tables."""

LONG = 60
"""Tables with more rows are folded, but for the summary."""

FIGURE_CAPTIONS = {
    "intervals": (
        "Means with error bars",
        "Each run's mean over the abstracts; bars are bootstrap intervals (percentile method). The table of quantities"
        " says which direction is better. Two runs can differ significantly although their bars overlap: see the paired"
        " differences.",
    ),
    "differences": (
        "Paired differences",
        "Mean difference of two runs on the same abstracts, with bootstrap intervals. Hollow marks: not significant"
        " (Holm-corrected p of 0.05 or more). Left of zero the first run has the lower value.",
    ),
    "sweep": (
        "Varied settings",
        "Means against each varied setting, with intervals; a line for each combination of the others. Lines are"
        " shifted a little, so that their intervals do not hide each other.",
    ),
    "changes": (
        "What runs gained and lost",
        "Change in bits per byte of each run against its base model on each set. Below zero (purple): the run predicts"
        " these texts better; above (orange): training cost it some of what the base model knew. Numbers in parentheses"
        " are not significant (Holm-corrected p of 0.05 or more).",
    ),
    "distributions": (
        "Distributions",
        "Histograms over the abstracts, one for each run, each scaled to its own height; black ticks are medians."
        " Perplexity is on a logarithmic axis.",
    ),
    "learning_curves": (
        "Learning curves",
        "Loss during training: of each batch (faint), on the run's own test split (solid) and on a sample of its"
        " training split (dotted). A solid line that rises while the dotted one falls shows overfitting.",
    ),
    CHECKPOINTS: (
        "Learning curves of all quantities",
        "Means on samples of the sets after each evaluation of the training, step 0 being the base model; bands are one"
        " standard error. Rings mark the step with the lowest perplexity on the validation split of the run's dataset.",
    ),
    "cosine_histograms": (
        "Cosines between abstracts",
        "Cosines between each run's embeddings of different abstracts. Histograms near 1 mean that the embeddings"
        " hardly distinguish abstracts.",
    ),
    "cosine_heatmaps": (
        "Matrices of cosines",
        "Each run's cosines between abstracts. All matrices of a set are ordered by a clustering of the first one, so"
        " that blocks are groups of similar abstracts.",
    ),
    "time": ("Time", "Total time of the jobs of each stage, from Snakemake's benchmarks."),
}
"""Title and caption of each figure, by name."""

GROUP_CAPTIONS = {
    "intervals": (
        "Means with error bars",
        "Means over abstracts and seeds; small points are the means of the single seeds. Bars hold the variance between"
        " abstracts and between seeds; those of runs without other seeds are bootstrap intervals over abstracts. Two"
        " runs can differ significantly although their bars overlap: see the paired differences.",
    ),
    "differences": (
        "Paired differences",
        "Difference of the means over seeds on the same abstracts; bars hold the variance between abstracts and between"
        " seeds. Hollow marks: not significant (Holm-corrected p of 0.05 or more). Left of zero the first has the lower"
        " value.",
    ),
}
"""The same where figures show groups of runs."""


def page_content(results: Results, sources: PageSources, stage: PageStage) -> dict[str, Any]:
    """The variables of the template."""
    records = {path.parent.name: flattened(read_json(path)) for path in sources.records}
    learned, has_curves = read_curves(sources.checkpoints), bool(sources.checkpoints)
    drawn = figure_names(stage.groups, checkpoints=has_curves)
    common, differing = common_and_differing(records) if records else ({}, {})
    captions = {name: texts for name, texts in FIGURE_CAPTIONS.items() if name in drawn}
    captions |= {name: texts for name, texts in GROUP_CAPTIONS.items() if name in captions and stage.groups}
    return {
        "footnote": footnote(results.marks),
        "marks": results.marks,
        "runs": _runs(results.runs),
        "sets": list(results.values),
        "findings": _findings(results, sources.tables, stage),
        "groups": stage.groups,
        "single_seed": single_seed_line(stage.groups),
        "missing": [*missing_lines(results.missing), *faults(learned, results.quantities)],
        "datasets": {path.parent.name: read_json(path) for path in sources.datasets},
        "trained": list(records),
        "common": {title(key): text(key, value) for key, value in common.items()},
        "differing": entries(differing),
        "tables": [_table(sources.tables, name, title) for name, title in _titles(stage, has_curves).items()],
        "figures": [_figure(sources.figures, name, *texts) for name, texts in captions.items()],
        "abstracts": sampled_abstracts(sources.completions, results, stage.abstracts, stage.seed),
        "chosen_steps": chosen_steps(learned),
        "control_prompts": [_control_prompts(path) for path in sources.history],
        "costs": _costs(sources, stage),
        "provenance": {title(key): text(key, value) for key, value in flattened(provenance()).items()},
    }


def _findings(results: Results, tables: Path, stage: PageStage) -> list[Finding]:
    """What the tables say of runs, or of groups where there are some."""
    if stage.groups:
        seeds, pairs = (read_group_table(tables, name) for name in ("seeds", "seed_comparisons"))
        return group_findings(results, stage.groups, seeds, pairs)
    return findings(results, *(read_exact_table(tables, name) for name in ("distributions", "comparisons")))


def _titles(stage: PageStage, has_curves: bool) -> dict[str, str]:
    written = table_names(stage.groups, checkpoints=has_curves)
    return {name: title for name, title in TABLE_TITLES.items() if name in written}


def _runs(runs: pandas.DataFrame) -> list[dict[str, Any]]:
    """The runs, each once, with the sets on which it is evaluated."""
    known = runs.astype(object).where(runs.notna(), None)
    sets = known.groupby("run")["set"].agg(", ".join)
    return known.drop_duplicates("run").assign(sets=lambda each: each["run"].map(sets)).to_dict("records")


def missing_lines(missing: Sequence[Missing]) -> list[str]:
    """A sentence for each metric and reason: which runs have no values of it."""
    runs: dict[tuple[str, str, bool], list[str]] = {}
    for each in missing:
        runs.setdefault((each.metric, each.reason, each.fault), []).append(each.run)
    return [
        f"{metric} {'could not be computed' if fault else 'has no values'} for"
        f" {', '.join(dict.fromkeys(names))}: {reason}"
        for (metric, reason, fault), names in runs.items()
    ]


def _table(folder: Path, name: str, title: str) -> dict[str, Any]:
    rows = len(read_exact_table(folder, name))  # not shown, but delivered with the report
    html = read_html(folder, name)
    shown = {"name": name, "title": title, "caption": read_caption(folder, name), "html": html}
    return {**shown, "rows": rows, "long": rows > LONG and name != "summary"}


def _costs(sources: PageSources, stage: PageStage) -> dict[str, Any] | None:
    """Tables of what stages and jobs took, against what was predicted; None if nothing was measured."""
    table = costs(sources.benchmarks, sources.costs, sources.plan, sources.records, stage.gpus)
    if table.empty:
        return None
    tables = {"stages": html_table(costs_layout(by_stage(table))), "jobs": html_table(costs_layout(table))}
    return {**tables, "planned": int(table["predicted"].notna().sum()), "measured": len(table)}


def _figure(folder: Path, name: str, title: str, caption: str) -> dict[str, str]:
    drawing = base64.b64encode(read_drawing(folder, name)).decode("ascii")
    return {"name": name, "title": title, "caption": caption, "source": f"data:image/svg+xml;base64,{drawing}"}


def _control_prompts(path: Path) -> dict[str, Any]:
    """The control papers as a run completed them before its first step and after its last."""
    history = read_table(path, columns=["step", "control_prompts"]).to_pylist()
    steps = [row for row in history if row["control_prompts"]]
    shown = steps[:1] + steps[1:][-1:]
    return {"run": path.parent.name, "steps": shown}
