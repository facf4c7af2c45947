"""Make completions from elsewhere, such as a commercial model's, into a run like any other."""

from pathlib import Path

from feyntune.config.schema.generation import ImportStage
from feyntune.core.cli import launch, read_settings, say


def arguments(parser):
    """Declare the options."""
    parser.add_argument("--table", type=Path, required=True, help="CSV or parquet file, or folder of a dataset")
    parser.add_argument("--dataset", type=Path, required=True, help="parquet file with the abstracts")
    parser.add_argument("--settings", required=True, help="ImportStage, as JSON or a file of it")
    parser.add_argument("--output", type=Path, required=True, help="parquet file to write")


def main(options):
    """Import."""
    stage = read_settings(ImportStage, options.settings)

    from feyntune.core.files import write_table
    from feyntune.core.provenance import provenance
    from feyntune.data.prompts import split_abstract
    from feyntune.evaluation.abstracts import read_abstracts
    from feyntune.hub.imports import check_prompts, imported_table, match_rows, read_completions

    known, texts = read_abstracts(options.dataset, "abstract", None)
    ids, halves = known[: stage.limit], [split_abstract(text) for text in texts[: stage.limit]]
    completions = read_completions(options.table, stage.split, stage.model)
    prompts, matched = zip(*match_rows(completions, ids, known, options.table), strict=True)
    check_prompts(ids, prompts, halves, options.table)
    table = imported_table(ids, halves, matched)
    empty = sum(not text.strip() for text in table["prediction"].to_pylist())
    say(f"{len(ids):,} completions, {empty:,} of them empty")
    record = {**provenance(), "settings": stage.model_dump(mode="json"), "empty": empty}
    write_table(options.output, table, record)


if __name__ == "__main__":
    launch(__doc__, arguments, main)
