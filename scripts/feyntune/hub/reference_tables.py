"""The reference's *wide* tables: a row an abstract, and for each model columns such as ``comp_{model}``.

The datasets ``LLMsForHepth/infer_hep_th`` and ``LLMsForHepth/sem_scores_hep_th`` have this schema.
"""

from feyntune.core.errors import FeynTuneError
from feyntune.core.ids import examples

SHARED = ("prompt", "y_true")
"""Columns of completions that are the same for all models."""
COMPLETION = {"comp": "completion", "preds": "prediction"}
"""Prefixes of a model's columns of completions, and the columns of ours that they hold."""


def columns_of(kind, metric=None):
    """Prefixes of a model's wide columns of a kind of result, and the columns of ours that they hold.

    Args:
        kind: ``completions``, ``perplexity``, or the name of a metric.
        metric: ``metrics.ReportedMetric`` of that name.
    """
    if kind == "completions":
        return COMPLETION
    if kind == "perplexity":
        return {"perplexity": "perplexity"}
    return {column.name: column.name for column in metric.columns if column.in_reference_schema}


def kinds_beside(kind):
    """The kinds of results that stand in the wide table of one: scores stand behind the completions they judge."""
    return [kind] if kind in ("completions", "perplexity") else ["completions", kind]


def model_columns(kind, model, metric=None):
    """Names of a model's wide columns of a kind of result, by the columns of ours that they hold."""
    return {ours: f"{prefix}_{model}" for prefix, ours in columns_of(kind, metric).items()}


def widened(abstracts, kind, results, metric=None):
    """A wide table.

    Args:
        abstracts: pyarrow table with ``id``: the evaluated rows of a split, with all columns that shall stand in front.
        kind: as for ``columns_of``; of completions also ``prompt`` and ``y_true`` are taken.
        metric: as for ``columns_of``.
        results: our tables by the model's name in the wide table, in the order of the columns.

    Raises:
        FeynTuneError: a table is not of exactly these abstracts.
    """
    wide = abstracts
    for place, (model, table) in enumerate(results.items()):
        table = _in_order(table, abstracts["id"].to_pylist(), f"{kind} of {model}")
        shared = SHARED if kind == "completions" and place == 0 else ()
        for ours, name in [*zip(shared, shared, strict=True), *model_columns(kind, model, metric).items()]:
            wide = wide.append_column(name, table[ours])
    return wide


def _in_order(table, ids, what):
    places = {name: place for place, name in enumerate(table["id"].to_pylist())}
    missing = [name for name in ids if name not in places]
    if missing or len(places) != len(ids):
        told = f"none for {examples(missing)}" if missing else f"{len(places):,} abstracts for {len(ids):,}"
        raise FeynTuneError(f"{what}: not of the evaluation set ({told}); run the workflow again")
    import pyarrow

    return table.take(pyarrow.array([places[name] for name in ids]))


def wide_completions(table, model):
    """Texts of a model's completions, each beginning with its prompt.

    Where ``comp_{model}`` does not repeat the prompt as it is (decoding does not always give it back), what stands in
    ``preds_{model}`` is set behind it.

    Args:
        table: pyarrow table with ``prompt``, ``comp_{model}`` and perhaps ``preds_{model}``.
        model: a model's name.
    """
    names = model_columns("completions", model)
    prompts, whole = (table[name].to_pylist() for name in ("prompt", names["completion"]))
    known = names["prediction"] in table.column_names
    rests = table[names["prediction"]].to_pylist() if known else whole
    return [_text(prompt, *pair) for prompt, *pair in zip(prompts, whole, rests, strict=True)]


def _text(prompt, whole, rest):
    whole, rest = whole or "", rest or ""
    if whole.startswith(prompt):
        return whole
    return f"{prompt} {rest.lstrip()}" if rest.strip() else prompt
