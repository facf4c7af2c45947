"""Embed the true abstracts of an evaluation set and their second halves with one metric, once for all runs."""

from pathlib import Path

from feyntune.config.schema.metrics import TruthStage
from feyntune.core.cli import launch, read_settings, say


def arguments(parser):
    """Declare the options."""
    parser.add_argument("--dataset", type=Path, required=True, help="parquet file with the abstracts")
    parser.add_argument("--metric", type=Path, required=True, help="folder of a sentence-transformers model")
    parser.add_argument("--settings", required=True, help="TruthStage, as JSON or a file of it")
    parser.add_argument("--output", type=Path, required=True, help="safetensors file to write")


def main(options):
    """Embed."""
    stage = read_settings(TruthStage, options.settings)

    from feyntune.data.prompts import split_abstract
    from feyntune.evaluation.abstracts import read_abstracts
    from feyntune.evaluation.metrics.embedding import SentenceEmbedder, embedding_record, write_truth

    ids, texts = read_abstracts(options.dataset, "abstract", stage.limit)
    embedder = SentenceEmbedder(options.metric, stage.metric)
    whole, rest = embedder.embed(texts), embedder.embed([split_abstract(text)[1] for text in texts])
    if whole[1].any():
        say(f"{whole[1].sum():,} of {len(ids):,} abstracts are longer than the metric takes in: cut there")
    write_truth(options.output, ids, whole, rest, embedding_record(embedder, stage))


if __name__ == "__main__":
    launch(__doc__, arguments, main)
