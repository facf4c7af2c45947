"""Score one run's completions against the true abstracts with one metric."""

from pathlib import Path

from feyntune.config.schema.metrics import SemscoreStage
from feyntune.core.cli import launch, read_settings, say


def arguments(parser):
    """Declare the options."""
    parser.add_argument("--completions", type=Path, required=True, help="parquet file of complete.py")
    parser.add_argument("--truth", type=Path, required=True, help="safetensors file of embed_truth.py")
    parser.add_argument("--metric", type=Path, required=True, help="folder of a sentence-transformers model")
    parser.add_argument("--settings", required=True, help="SemscoreStage, as JSON or a file of it")
    parser.add_argument("--output", type=Path, required=True, help="parquet file to write")


def main(options):
    """Score."""
    stage = read_settings(SemscoreStage, options.settings)

    from feyntune.core.files import read_table, write_table
    from feyntune.evaluation.metrics.embedding import (
        SentenceEmbedder,
        embedding_record,
        match_ids,
        read_truth,
        score_table,
    )

    table = read_table(options.completions, columns=["id", "completion", "prediction"])
    ids, completions, predictions = (table[name].to_pylist() for name in ("id", "completion", "prediction"))
    truth_ids, truth = read_truth(options.truth)
    rows = match_ids(ids, truth_ids, options.completions)
    embedder = SentenceEmbedder(options.metric, stage.metric)
    truth = {name: values[rows] for name, values in truth.items()}
    scores = score_table(ids, completions, predictions, truth, embedder)
    empty = sum(not prediction.strip() for prediction in predictions)
    if empty:
        say(f"{empty:,} of {len(ids):,} completions are empty: scored as they are")
    write_table(options.output, scores, {**embedding_record(embedder, stage), "empty": empty})


if __name__ == "__main__":
    launch(__doc__, arguments, main)
