"""Write the card of an adapter and the figure in it: what a push will show, to be read before. It needs no network."""

from pathlib import Path

from feyntune.config.schema.hub import CardStage
from feyntune.core.cli import about, launch, read_settings, say


def arguments(parser):
    """Declare the options."""
    parser.add_argument("--adapter", type=Path, required=True, help="folder of the adapter")
    parser.add_argument("--base", type=Path, required=True, help="folder of the base model, for its licence")
    parser.add_argument("--dataset", type=Path, required=True, help="summary.json of the training data")
    parser.add_argument("--tables", type=Path, required=True, help="folder of tables")
    parser.add_argument("--settings", required=True, help="CardStage, as JSON or a file of it")
    parser.add_argument("--output-folder", type=Path, required=True, help="where README.md and the figure go")


def main(options):
    """Gather, draw, write."""
    stage = read_settings(CardStage, options.settings)
    about(stage.run)

    import pandas

    from feyntune.core.files import read_json, read_table, write_text
    from feyntune.hub.model_cards import adapter_card, base_licence, draw_learning_curve

    summary, comparisons = (pandas.read_csv(options.tables / f"{name}.csv") for name in ("summary", "comparisons"))
    if not stage.revision:
        say(f"the base model is a local folder, {stage.base}: nobody who lacks it can load this adapter")
    licence = stage.licence or base_licence(options.base)
    record, dataset = read_json(options.adapter / "run.json"), read_json(options.dataset)
    card = adapter_card(stage, record, dataset, summary, comparisons, licence)
    draw_learning_curve(stage, read_table(options.adapter / "history.parquet").to_pandas(), options.output_folder)
    write_text(options.output_folder / "README.md", card)


if __name__ == "__main__":
    launch(__doc__, arguments, main)
