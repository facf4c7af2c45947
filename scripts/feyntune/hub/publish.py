"""The files that a push sends besides results: cards of adapters, and reference tables with their cards."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from jinja2 import UndefinedError

from feyntune.config.schema.hub import CardStage, MergedCardStage, ReferenceStage
from feyntune.core.cli import say
from feyntune.core.files import read_json, read_table, unreadable, write_json, write_table, write_text
from feyntune.core.hashing import digest
from feyntune.hub.model_cards import adapter_card, base_licence, draw_learning_curve, merged_card, table_card
from feyntune.hub.names import without_folders
from feyntune.hub.reference_tables import kinds_beside, reference_table
from feyntune.report.figures.learning import read_history
from feyntune.report.made_files import read_exact_table

CONFIG = "adapter_config.json"
INCOMPLETE = (LookupError, TypeError, ValueError, AttributeError, UndefinedError)
"""What the template of a card raises where a record lacks something or has something else."""


@dataclass(frozen=True)
class CardJob:
    """The card of an adapter, or of a model of which all weights were trained, to write."""

    stage: CardStage
    trained: Path
    """Folder of the adapter or the model."""
    base: Path
    """Folder of the base model, for its licence."""
    dataset: Path
    """``summary.json`` of the training data."""
    tables: Path
    """Folder of tables."""
    output: Path
    """Folder for ``README.md``, the figure, ``run.json``, and ``adapter_config.json`` if it is an adapter."""


def write_adapter_card(job: CardJob) -> None:
    """Write the card, its figure, and the JSON files of the run without paths of this machine."""
    stage = job.stage
    if not stage.revision and not stage.is_full:
        say(f"the base model is a local folder, {stage.base}: the adapter cannot be loaded without it")
    summary, comparisons = (read_exact_table(job.tables, name) for name in ("summary", "comparisons"))
    licence = stage.licence or base_licence(job.base)
    record, dataset = without_folders(read_json(job.trained / "run.json")), read_json(job.dataset)
    history = read_history(job.trained / "history.parquet")
    config = None if stage.is_full else without_folders(read_json(job.trained / CONFIG))
    with unreadable(job.trained / "run.json", f"it or {job.dataset} is not complete", *INCOMPLETE):
        card = adapter_card(stage, record, dataset, summary, comparisons, licence)
    draw_learning_curve(stage, history, job.output)
    if config:
        write_json(job.output / CONFIG, config)
        record["weights"] = {**(record.get("weights") or {}), CONFIG: digest(job.output / CONFIG)}
    write_json(job.output / "run.json", record)
    write_text(job.output / "README.md", card)


@dataclass(frozen=True)
class MergedCardJob:
    """The card of a merged model to write."""

    stage: MergedCardStage
    base: Path
    """Folder of the base model, for its licence."""
    folder: Path
    """Folder of the merged model, which gets ``README.md``."""
    tables: Path | None = None
    """Folder of tables, for the results of the run; None: the card has none."""


def write_merged_card(job: MergedCardJob) -> None:
    """Write the card of a merged model into its folder."""
    tokenizer = read_json(job.folder / "tokenizer_config.json")
    licence = job.stage.licence or base_licence(job.base)
    summary = read_exact_table(job.tables, "summary") if job.tables else None
    write_text(job.folder / "README.md", merged_card(job.stage, licence, tokenizer.get("bos_token"), summary))


@dataclass(frozen=True)
class ReferenceTableJob:
    """A reference table to write, with its card."""

    stage: ReferenceStage
    dataset: Path
    """Parquet file with the abstracts."""
    results: Path
    """Folder of results."""
    output: Path
    """Parquet file to write."""
    card: Path
    """Markdown file to write."""


def write_reference_table(job: ReferenceTableJob) -> None:
    """Write the results of all runs on an evaluation set as one reference table, with its card."""
    stage = job.stage
    table = read_table(job.dataset).slice(0, stage.limit).replace_schema_metadata(None)
    ids = table["id"].to_pylist()  # runs may also have results for abstracts that the evaluation set excludes
    for kind in kinds_beside(stage.kind):
        paths = {model: job.results / kind / stage.set / f"{run}.parquet" for run, model in stage.models.items()}
        results = {model: read_table(path, filters=[("id", "in", ids)]) for model, path in paths.items()}
        table = reference_table(table, kind, results, job.stage.metric)
    write_text(job.card, table_card(stage, table.num_rows, table.column_names))
    write_table(job.output, table)
