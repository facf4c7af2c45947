"""Cards of adapters and tables on the hub, from the files of their runs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from feyntune.core.nested import flattened
from feyntune.hub import markdown
from feyntune.report.figures.learning import learning_figure
from feyntune.report.figures.style import SETTINGS, save
from feyntune.report.results import all_quantities
from feyntune.report.tables import comparisons_layout, summary_layout

if TYPE_CHECKING:
    import pandas
    from huggingface_hub import CardData, EvalResult, ModelCardData

    from feyntune.config.schema.hub import CardStage, MergedCardStage, ReferenceStage

Table = dict[str, list[Any]]
"""A table of a card: names of ``columns``, and ``rows`` of cells."""


def draw_learning_curve(stage: CardStage, history: pandas.DataFrame, folder: Path) -> None:
    """Write ``learning_curve.png``.

    Args:
        stage: settings of the card.
        history: the run's logged steps.
        folder: folder to write into.
    """
    import matplotlib
    import pandas

    label = {"run": stage.run, "model": stage.model, "dataset": stage.dataset, "layers": stage.layers}
    with matplotlib.rc_context(SETTINGS):
        save(learning_figure(pandas.DataFrame([label]), {stage.run: history}), folder, "learning_curve", ("png",))


FIGURE = "learning_curve.png"
CATEGORIES = 8
"""Number of primary categories that a card lists; the others are counted together."""


def adapter_card(
    stage: CardStage,
    record: Mapping[str, Any],
    dataset: Mapping[str, Any],
    summary: pandas.DataFrame,
    comparisons: pandas.DataFrame,
    licence: str | None,
) -> str:
    """The card of an adapter or of a trained model, as Markdown with the hub's metadata in front.

    Args:
        stage: settings of the card.
        record: content of ``run.json``.
        dataset: content of the training data's ``summary.json``.
        summary, comparisons: the tables with these names.
        licence: the base model's licence, by the hub's name for it, or None.
    """
    flat = {name: _text(value) for name, value in flattened(record["settings"]).items()}
    body = markdown.render(
        "adapter.md",
        stage=stage,
        licence=licence,
        record=record,
        dataset=dataset,
        categories=_main_categories(dataset["categories"]),
        years=[year for year in dataset["years"] if year != "unknown"],
        definitions={name: json.dumps(value, ensure_ascii=False) for name, value in stage.datasets.items()},
        settings=flat,
        provenance={name: _text(value) for name, value in flattened(_provenance(record)).items()},
        results=_results(stage, summary),
        comparisons=_comparisons(stage, comparisons),
        figure=FIGURE,
    )
    return _with_metadata(_adapter_metadata(stage, licence, _evaluations(stage, summary)), body)


def _adapter_metadata(stage: CardStage, licence: str | None, evaluations: list[EvalResult]) -> ModelCardData:
    """The hub's metadata, by which it links to base model and data, shows results, filters and searches."""
    return _model_metadata(
        stage,
        licence,
        "finetune" if stage.is_full else "adapter",
        library_name="transformers" if stage.is_full else "peft",
        tags=["feyntune", *([] if stage.is_full else ["lora"]), "physics", "arxiv"],
        model_name=stage.repository.split("/")[-1],
        eval_results=evaluations or None,
    )


def _model_metadata(
    stage: CardStage | MergedCardStage, licence: str | None, relation: str, **more: Any
) -> ModelCardData:
    """What the metadata of an adapter and of a merged model have in common, and ``more``.

    Args:
        stage: settings of the card.
        licence: licence of the base model.
        relation: what the model is to its base model, by the hub's name for it.
        more: further metadata.
    """
    from huggingface_hub import ModelCardData

    return ModelCardData(
        pipeline_tag="text-generation",
        language="en",
        base_model=stage.base if stage.revision else None,
        base_model_relation=relation if stage.revision else None,
        datasets=_hub_datasets(stage.datasets),
        license=licence,
        **more,
    )


def _hub_datasets(definitions: Mapping[str, Mapping[str, Any]]) -> list[str] | None:
    """Repositories among definitions of datasets."""
    return sorted({entry["hub"] for entry in definitions.values() if "hub" in entry}) or None


def _evaluations(stage: CardStage, summary: pandas.DataFrame) -> list[EvalResult]:
    """The run's mean of each quantity on each evaluation set, where larger or smaller values are better."""
    from huggingface_hub import EvalResult

    rows = summary[summary["run"] == stage.run].set_index("set")
    quantities = [each for each in all_quantities(stage.metrics) if each.direction and each.name in summary]
    return [
        EvalResult(
            task_type="text-generation",
            task_name="Completion of abstracts",
            dataset_type=evaluated.repository,
            dataset_name=name,
            dataset_split=evaluated.split,
            metric_type=quantity.name,
            metric_name=quantity.title,
            metric_value=round(float(rows.loc[name, quantity.name]), 4),
        )
        for name, evaluated in stage.sets.items()
        for quantity in quantities
        if name in rows.index and rows.loc[name, quantity.name] == rows.loc[name, quantity.name]  # not NaN
    ]


def _provenance(record: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in record.items() if name not in ("settings", "measured")}


def _main_categories(categories: Mapping[str, int]) -> list[tuple[str, int]]:
    """The largest categories with their numbers of papers, and the number of papers in all others."""
    items = list(categories.items())
    rest = sum(papers for _, papers in items[CATEGORIES:])
    return items[:CATEGORIES] + ([("others", rest)] if rest else [])


def _results(stage: CardStage, summary: pandas.DataFrame) -> dict[str, Table]:
    """For each evaluation set a table with a column for the run and its base model, and a row per quantity."""
    bases = (summary["layers"] == "base") & (summary["model"] == stage.model)
    rows = summary[(summary["run"] == stage.run) | bases]
    quantities = [quantity for quantity in all_quantities(stage.metrics) if quantity.name in summary]
    return {name: _transposed(summary_layout(part, quantities)) for name, part in rows.groupby("set", sort=False)}


def _transposed(shown: pandas.DataFrame) -> Table:
    turned = shown.set_index("Run").T
    return {
        "columns": ["", *turned.columns],
        "rows": [[name, *row] for name, row in zip(turned.index, turned.values, strict=True)],
    }


def _comparisons(stage: CardStage, comparisons: pandas.DataFrame) -> Table | None:
    rows = comparisons[comparisons["run"] == stage.run]
    if rows.empty:
        return None
    shown = comparisons_layout(rows, all_quantities(stage.metrics)).drop(columns="Run")
    if "Set" not in shown:
        shown.insert(0, "Set", rows["set"].to_numpy())
    return {"columns": list(shown), "rows": shown.to_numpy().tolist()}


def merged_card(stage: MergedCardStage, licence: str | None, bos: str | Mapping[str, Any] | None) -> str:
    """The card of a merged model.

    Args:
        stage: settings of the card.
        licence: the base model's licence, by the hub's name for it, or None.
        bos: ``bos_token`` of the tokenizer's configuration: a text, or an object with its text as ``content``.
    """
    metadata = _model_metadata(
        stage, licence, "finetune", library_name="transformers", tags=["feyntune", "physics", "arxiv"]
    )
    body = markdown.render(
        "merged.md",
        stage=stage,
        licence=licence,
        name=(stage.repository or stage.run).split("/")[-1],
        place=stage.repository or f"results/merged/{stage.run}",
        bos=(bos if isinstance(bos, str) else (bos or {}).get("content")) or "",
        definitions={name: json.dumps(value, ensure_ascii=False) for name, value in stage.datasets.items()},
    )
    return _with_metadata(metadata, body)


def table_card(stage: ReferenceStage, rows: int, columns: Sequence[str]) -> str:
    """The card of a reference table.

    Args:
        stage: settings of the table.
        rows: its number of abstracts.
        columns: names of its columns.
    """
    from huggingface_hub import DatasetCardData

    files = [{"split": stage.split, "path": f"data/{stage.split}-*"}]
    metadata = DatasetCardData(
        language="en",
        license="other",  # the abstracts belong to their authors
        pretty_name=stage.repository.split("/")[-1],
        task_categories=["text-generation"],
        tags=["feyntune", "physics", "arxiv"],
        configs=[{"config_name": "default", "data_files": files}],
    )
    return _with_metadata(metadata, markdown.render("table.md", stage=stage, rows=rows, columns=columns))


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _with_metadata(metadata: CardData, body: str) -> str:
    """A card as the hub's client reads it back: metadata as YAML, and Markdown."""
    from huggingface_hub import RepoCard

    return str(RepoCard(f"---\n{metadata.to_yaml()}\n---\n\n{body}\n", ignore_metadata_errors=False))


def base_licence(folder: Path) -> str | None:
    """The licence that a model's own card names in its metadata, or None."""
    from huggingface_hub import RepoCard
    from yaml import YAMLError

    if not (folder / "README.md").is_file():
        return None
    try:
        licence = RepoCard.load(folder / "README.md", ignore_metadata_errors=True).data.get("license")
    except (ValueError, YAMLError):  # somebody else's card; a licence that cannot be read is not guessed
        return None
    return licence if isinstance(licence, str) else None
