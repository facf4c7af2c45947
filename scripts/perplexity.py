"""Score whole abstracts with one run's model: perplexities and embeddings from one forward pass."""

from pathlib import Path

from feyntune.config.schema.perplexity import PerplexityStage
from feyntune.core.cli import Progress, about, launch, read_settings, say


def arguments(parser):
    """Declare the options."""
    parser.add_argument("--base", type=Path, required=True, help="folder of the base model")
    parser.add_argument("--adapter", type=Path, help="folder of a PEFT adapter; without it the base model is scored")
    parser.add_argument("--dataset", type=Path, required=True, help="parquet file with the abstracts")
    parser.add_argument("--settings", required=True, help="PerplexityStage, as JSON or a file of it")
    parser.add_argument("--shards", type=Path, required=True, help="folder for unfinished work; removed in the end")
    parser.add_argument("--perplexity", type=Path, required=True, help="parquet file to write")
    parser.add_argument("--embeddings", type=Path, required=True, help=".pt file to write")


def main(options):
    """Score."""
    stage = read_settings(PerplexityStage, options.settings)
    about(stage.run)

    from feyntune.core.locks import locked
    from feyntune.core.shards import Shards
    from feyntune.evaluation import perplexity
    from feyntune.evaluation.abstracts import read_abstracts
    from feyntune.evaluation.model import load_evaluated, work_note

    with locked(options.shards):
        ids, texts = read_abstracts(options.dataset, stage.perplexity.column, stage.limit)
        model = load_evaluated(options.base, options.adapter, stage)
        encoded = perplexity.encode_for_scores(model, ids, texts, stage.perplexity.too_long)
        if encoded.truncated:
            say(f"{encoded.truncated:,} of {len(ids):,} abstracts are over {model.context} tokens: cut there")
        perplexity.check_head(model.causal, encoded.sequences[0])
        shards = Shards(options.shards, work_note("perplexity.py", options, stage, encoded.sequences))
        with Progress("perplexity", sum(map(len, encoded.sequences)), "tokens") as progress:
            budget = stage.perplexity.batch_tokens or perplexity.usual_budget(model.causal.device)
            scores = perplexity.score_all(model, ids, encoded.sequences, budget, shards, progress)
        perplexity.write_scores(model, stage, ids, encoded, scores, options.perplexity, options.embeddings)
        shards.remove()


if __name__ == "__main__":
    launch(__doc__, arguments, main)
