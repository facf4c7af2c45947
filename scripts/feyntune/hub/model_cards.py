"""Cards of adapters and tables on the hub, from the files of their runs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from feyntune.core.nested import flattened
from feyntune.hub import markdown
from feyntune.hub.card_results import comparisons_table, evaluation_metadata, results_tables
from feyntune.report.figures.learning import learning_figure
from feyntune.report.figures.style import SETTINGS, save

if TYPE_CHECKING:
    import pandas
    from huggingface_hub import CardData, EvalResult, ModelCardData

    from feyntune.config.schema.hub import CardStage, EvaluatedCardStage, MergedCardStage, ReferenceStage


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
        results=results_tables(stage, summary),
        comparisons=comparisons_table(stage, comparisons),
        figure=FIGURE,
    )
    metadata = _model_metadata(
        stage,
        licence,
        "finetune" if stage.is_full else "adapter",
        evaluation_metadata(stage, summary),
        library_name="transformers" if stage.is_full else "peft",
        tags=["feyntune", *([] if stage.is_full else ["lora"]), "physics", "arxiv"],
    )
    return _with_metadata(metadata, body)


def _model_metadata(
    stage: EvaluatedCardStage, licence: str | None, relation: str, evaluations: list[EvalResult], **more: Any
) -> ModelCardData:
    """The hub's metadata, by which it links to base model and data, shows results, filters and searches.

    Args:
        stage: settings of the card.
        licence: licence of the base model.
        relation: what the model is to its base model, by the hub's name for it.
        evaluations: results of this model.
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
        model_name=(stage.repository or stage.run).split("/")[-1],
        eval_results=evaluations or None,
        **more,
    )


def _hub_datasets(definitions: Mapping[str, Mapping[str, Any]]) -> list[str] | None:
    """Repositories among definitions of datasets."""
    return sorted({entry["hub"] for entry in definitions.values() if "hub" in entry}) or None


def _provenance(record: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in record.items() if name not in ("settings", "measured")}


def _main_categories(categories: Mapping[str, int]) -> list[tuple[str, int]]:
    """The largest categories with their numbers of papers, and the number of papers in all others."""
    items = list(categories.items())
    rest = sum(papers for _, papers in items[CATEGORIES:])
    return items[:CATEGORIES] + ([("others", rest)] if rest else [])


def merged_card(
    stage: MergedCardStage,
    licence: str | None,
    bos: str | Mapping[str, Any] | None,
    summary: pandas.DataFrame | None = None,
) -> str:
    """The card of a merged model.

    Args:
        stage: settings of the card.
        licence: the base model's licence, by the hub's name for it, or None.
        bos: ``bos_token`` of the tokenizer's configuration: a text, or an object with its text as ``content``.
        summary: the table with this name, for the results of the run; None: the card has none.
    """
    # On other weights than the evaluated ones the model has other results: the hub must not show these as its own.
    is_evaluated = summary is not None and stage.quantization == stage.evaluated_quantization
    metadata = _model_metadata(
        stage,
        licence,
        "finetune",
        evaluation_metadata(stage, summary) if is_evaluated else [],
        library_name="transformers",
        tags=["feyntune", "physics", "arxiv"],
    )
    body = markdown.render(
        "merged.md",
        stage=stage,
        licence=licence,
        name=(stage.repository or stage.run).split("/")[-1],
        place=stage.repository or f"results/merged/{stage.run}",
        bos=(bos if isinstance(bos, str) else (bos or {}).get("content")) or "",
        definitions={name: json.dumps(value, ensure_ascii=False) for name, value in stage.datasets.items()},
        results={} if summary is None else results_tables(stage, summary),
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
