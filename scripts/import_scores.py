"""Take perplexities or scores that were computed elsewhere as those of a run."""

from pathlib import Path

from feyntune.config.schema.generation import ImportStage
from feyntune.core.cli import launch, read_settings, say


def arguments(parser):
    """Declare the options."""
    parser.add_argument("--table", type=Path, required=True, help="CSV or parquet file, or folder of a dataset")
    parser.add_argument("--kind", required=True, help="perplexity, or the name of a metric")
    parser.add_argument("--dataset", type=Path, required=True, help="parquet file with the abstracts")
    parser.add_argument("--settings", required=True, help="ImportStage, as JSON or a file of it")
    parser.add_argument("--output", type=Path, required=True, help="parquet file to write")


def main(options):
    """Import."""
    stage = read_settings(ImportStage, options.settings)

    from feyntune.core.files import write_table
    from feyntune.core.provenance import provenance
    from feyntune.evaluation.abstracts import read_abstracts
    from feyntune.hub.imports import imported_values, match_rows, read_values

    known, _ = read_abstracts(options.dataset, "abstract", None)
    ids = known[: stage.limit]
    rows = read_values(options.table, options.kind, stage.split, stage.model)
    values = match_rows(rows, ids, known, options.table)
    missing = sum(value is None for value in values)
    say(f"{len(ids):,} values of {options.kind}, {missing:,} of them missing")
    record = {**provenance(), "settings": stage.model_dump(mode="json"), "missing": missing}
    write_table(options.output, imported_values(options.kind, ids, values), record)


if __name__ == "__main__":
    launch(__doc__, arguments, main)
