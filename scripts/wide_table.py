"""Write the results of all runs on an evaluation set as one wide table, with its card. It needs no network."""

from pathlib import Path

from feyntune.config.schema.hub import WideStage
from feyntune.core.cli import about, launch, read_settings


def arguments(parser):
    """Declare the options."""
    parser.add_argument("--dataset", type=Path, required=True, help="parquet file with the abstracts")
    parser.add_argument("--results", type=Path, required=True, help="folder of results")
    parser.add_argument("--settings", required=True, help="WideStage, as JSON or a file of it")
    parser.add_argument("--output", type=Path, required=True, help="parquet file to write")
    parser.add_argument("--card", type=Path, required=True, help="Markdown file to write")


def main(options):
    """Widen, write."""
    stage = read_settings(WideStage, options.settings)
    about(f"{stage.kind} {stage.set}")

    import pyarrow.compute as pc

    from feyntune.core.files import read_table, write_table, write_text
    from feyntune.hub.model_cards import table_card
    from feyntune.hub.reference_tables import kinds_beside, widened

    table = read_table(options.dataset).slice(0, stage.limit).replace_schema_metadata(None)
    evaluated = pc.field("id").isin(table["id"].combine_chunks())
    for kind in kinds_beside(stage.kind):
        folder = options.results / kind / stage.set
        # A run may have results for abstracts that the evaluation set has lost.
        paths = {model: folder / f"{run}.parquet" for run, model in stage.models.items()}
        results = {model: read_table(path, filters=evaluated) for model, path in paths.items()}
        table = widened(table, kind, results)
    write_text(options.card, table_card(stage, table.num_rows, table.column_names))
    write_table(options.output, table)


if __name__ == "__main__":
    launch(__doc__, arguments, main)
