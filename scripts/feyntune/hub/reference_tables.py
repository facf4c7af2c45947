"""Tables in the reference's schema: a row per abstract, and for each model columns such as ``comp_{model}``.

The datasets ``LLMsForHepth/infer_hep_th`` and ``LLMsForHepth/sem_scores_hep_th`` have this schema.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from feyntune.core.ids import match_ids

if TYPE_CHECKING:
    import pyarrow

    from feyntune.evaluation.metrics import ReportedMetric

SHARED = ("prompt", "y_true")
"""Columns of completions that are the same for all models."""
COMPLETION = {"comp": "completion", "preds": "prediction"}
"""Prefixes of a model's columns of completions, and our columns that they contain."""


def columns_of(kind: str, metric: ReportedMetric | None = None) -> dict[str, str]:
    """Prefixes of a model's columns for a kind of result, and our columns that they contain.

    Args:
        kind: ``completions``, ``perplexity``, or the name of a metric.
        metric: the metric of that name.
    """
    if kind == "completions":
        return COMPLETION
    if metric is None:
        return {"perplexity": "perplexity"}
    return {column.name: column.name for column in metric.columns if column.in_reference_schema}


def kinds_beside(kind: str) -> list[str]:
    """The kinds of results in the table of one kind: metrics are listed after the completions that they evaluate."""
    return [kind] if kind in ("completions", "perplexity") else ["completions", kind]


def model_columns(kind: str, model: str, metric: ReportedMetric | None = None) -> dict[str, str]:
    """Names of a model's columns for a kind of result, by our columns that they contain."""
    return {ours: f"{prefix}_{model}" for prefix, ours in columns_of(kind, metric).items()}


def reference_table(
    abstracts: pyarrow.Table, kind: str, results: Mapping[str, pyarrow.Table], metric: ReportedMetric | None = None
) -> pyarrow.Table:
    """Append the results of all models to a table of abstracts.

    Args:
        abstracts: the evaluated rows of a split, with ``id`` and all columns that come first.
        kind: as for ``columns_of``; completions also get the columns ``prompt`` and ``y_true``.
        results: our tables by the model's name in the reference table, in the order of the columns.
        metric: as for ``columns_of``.

    Raises:
        FeynTuneError: a table is not of exactly these abstracts.
    """
    table, ids = abstracts, abstracts["id"].to_pylist()
    for place, (model, result) in enumerate(results.items()):
        ordered = result.take(match_ids(ids, result["id"].to_pylist(), f"{kind} of {model}"))
        shared = SHARED if kind == "completions" and place == 0 else ()
        for ours, name in [*zip(shared, shared, strict=True), *model_columns(kind, model, metric).items()]:
            table = table.append_column(name, ordered[ours])
    return table


def reference_completions(table: pyarrow.Table, model: str) -> list[str]:
    """Texts of a model's completions, each beginning with its prompt.

    Where ``comp_{model}`` does not begin with the exact prompt (decoding may change it), the text is the prompt
    followed by ``preds_{model}``.

    Args:
        table: table with ``prompt``, ``comp_{model}`` and optionally ``preds_{model}``.
        model: name of the model in the table.
    """
    names = model_columns("completions", model)
    prompts, whole = (table[name].to_pylist() for name in ("prompt", names["completion"]))
    has_rests = names["prediction"] in table.column_names
    rests = table[names["prediction"]].to_pylist() if has_rests else whole
    return [_text(prompt, text or "", rest or "") for prompt, text, rest in zip(prompts, whole, rests, strict=True)]


def _text(prompt: str | None, whole: str, rest: str) -> str:
    if prompt is None or whole.startswith(prompt):
        return whole
    return f"{prompt} {rest.lstrip()}" if rest.strip() else prompt
