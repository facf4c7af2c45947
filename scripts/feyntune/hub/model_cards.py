"""Cards: what a person who finds an adapter or a table on the hub wants to know, from the files that tell it."""

import json
import re
from pathlib import Path

from feyntune.core.nested import flattened
from feyntune.report.figures.learning import learning_figure
from feyntune.report.figures.style import SETTINGS, save
from feyntune.report.results import all_quantities
from feyntune.report.tables import comparisons_layout, summary_layout


def draw_learning_curve(stage, history, folder):
    """Write ``learning_curve.png`` into ``folder``.

    Args:
        stage: ``settings.hub.CardStage``.
        history: the run's history as a DataFrame.
        folder: folder to write into.
    """
    import matplotlib
    import pandas

    label = {"run": stage.run, "model": stage.model, "dataset": stage.dataset, "layers": stage.layers}
    with matplotlib.rc_context(SETTINGS):
        save(learning_figure(pandas.DataFrame([label]), {stage.run: history}), folder, "learning_curve", ("png",))


FOLDER = Path(__file__).parent
ADAPTER_FILES = ("adapter_model.safetensors", "adapter_config.json", "run.json", "history.parquet")
"""What is pushed of a run, besides its card and its figure."""
FIGURE = "learning_curve.png"
CATEGORIES = 8
"""Primary categories that a card lists; the others are counted together."""


def adapter_card(stage, record, dataset, summary, comparisons, licence):
    """The card of an adapter, as Markdown with the hub's metadata in front.

    Args:
        stage: ``settings.hub.CardStage``.
        record: content of ``run.json``.
        dataset: content of the training data's ``summary.json``.
        summary, comparisons: the tables of these names as DataFrames.
        licence: the base model's, by the hub's name for it, or None.
    """
    flat = {name: _text(value) for name, value in flattened(record["settings"]).items()}
    return _render(
        "adapter.md",
        metadata=_adapter_metadata(stage, licence),
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


def _adapter_metadata(stage, licence):
    """The hub's metadata: what it links to the base model, filters and searches by."""
    published = {"base_model": stage.base, "base_model_relation": "adapter"} if stage.revision else {}
    return {
        "library_name": "peft",
        "pipeline_tag": "text-generation",
        "language": "en",
        **published,
        **({"license": licence} if licence else {}),
        "tags": ["feyntune", "lora", "physics", "arxiv"],
    }


def _provenance(record):
    return {name: value for name, value in record.items() if name not in ("settings", "measured")}


def _main_categories(categories):
    """The largest categories and their numbers of papers, and how many papers the others have."""
    items = list(categories.items())
    rest = sum(papers for _, papers in items[CATEGORIES:])
    return items[:CATEGORIES] + ([("others", rest)] if rest else [])


def _results(stage, summary):
    """For each evaluation set the rows of the run and of its base model, a quantity a row."""
    bases = (summary["layers"] == "base") & (summary["model"] == stage.model)
    rows = summary[(summary["run"] == stage.run) | bases]
    quantities = [quantity for quantity in all_quantities(stage.metrics) if quantity.name in summary]
    return {name: _transposed(summary_layout(part, quantities)) for name, part in rows.groupby("set", sort=False)}


def _transposed(shown):
    turned = shown.set_index("Run").T
    return {
        "columns": ["", *turned.columns],
        "rows": [[name, *row] for name, row in zip(turned.index, turned.values, strict=True)],
    }


def _comparisons(stage, comparisons):
    rows = comparisons[comparisons["run"] == stage.run]
    if rows.empty:
        return None
    shown = comparisons_layout(rows, all_quantities(stage.metrics)).drop(columns="Run")
    if "Set" not in shown:
        shown.insert(0, "Set", rows["set"].to_numpy())
    return {"columns": list(shown), "rows": shown.to_numpy().tolist()}


def table_card(stage, rows, columns):
    """The card of a wide table.

    Args:
        stage: ``settings.hub.WideStage``.
        rows: how many abstracts it has.
        columns: its columns.
    """
    files = [{"split": stage.split, "path": f"data/{stage.split}-*"}]
    metadata = {
        "language": "en",
        "tags": ["feyntune", "physics", "arxiv"],
        "configs": [{"config_name": "default", "data_files": files}],
    }
    return _render("table.md", metadata=metadata, stage=stage, rows=rows, columns=columns)


def _text(value):
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _render(template, metadata, **content):
    import yaml
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(FOLDER), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["cell"] = lambda value: str(value).replace("|", "\\|").replace("\n", " ")
    head = yaml.safe_dump(metadata, sort_keys=False, allow_unicode=True)
    return f"---\n{head}---\n\n" + environment.get_template(template).render(**content) + "\n"


def base_licence(folder):
    """The licence that a model's own card tells in its metadata, or None."""
    card = Path(folder) / "README.md"
    head = re.match(r"---\r?\n(.*?)\r?\n---", card.read_text(encoding="utf-8"), re.DOTALL) if card.is_file() else None
    found = head and re.search(r"^license:\s*(\S+)", head[1], re.MULTILINE)
    return found[1].strip("'\"") if found else None
