"""Make completions from elsewhere, such as a commercial model's, into a run like any other."""

from pathlib import Path

from feyntune.program import launch, read_settings, say
from feyntune.settings.completion import ImportStage


def arguments(parser):
    """Declare the options."""
    parser.add_argument("--table", type=Path, required=True, help="CSV or parquet file, or folder of a dataset")
    parser.add_argument("--dataset", type=Path, required=True, help="parquet file with the abstracts")
    parser.add_argument("--settings", required=True, help="ImportStage, as JSON or a file of it")
    parser.add_argument("--output", type=Path, required=True, help="parquet file to write")


def main(options):
    """Import."""
    stage = read_settings(ImportStage, options.settings)

    from feyntune.abstracts import read_abstracts
    from feyntune.files import write_table
    from feyntune.imports import check_prompts, imported_table, match_rows, read_completions
    from feyntune.prompts import split_abstract
    from feyntune.provenance import provenance

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
