"""Complete the abstracts of an evaluation set with one run's model."""

from pathlib import Path

from feyntune.config.schema.generation import CompletionStage
from feyntune.core.cli import Progress, about, launch, read_settings


def arguments(parser):
    """Declare the options."""
    parser.add_argument("--base", type=Path, required=True, help="folder of the base model")
    parser.add_argument("--adapter", type=Path, help="folder of a PEFT adapter; without it the base model completes")
    parser.add_argument("--dataset", type=Path, required=True, help="parquet file with the abstracts")
    parser.add_argument("--settings", required=True, help="CompletionStage, as JSON or a file of it")
    parser.add_argument("--shards", type=Path, required=True, help="folder for unfinished work; removed in the end")
    parser.add_argument("--output", type=Path, required=True, help="parquet file to write")


def main(options):
    """Complete."""
    stage = read_settings(CompletionStage, options.settings)
    about(stage.run)

    from feyntune.core.files import write_table
    from feyntune.core.locks import locked
    from feyntune.core.shards import Shards
    from feyntune.data.prompts import split_abstract
    from feyntune.evaluation.abstracts import read_abstracts
    from feyntune.evaluation.generation.completions import completion_table, make_rows, resume, shard_table
    from feyntune.evaluation.generation.transformers_engine import Completer
    from feyntune.evaluation.model import evaluation_record, load_evaluated, work_note

    with locked(options.shards):
        ids, texts = read_abstracts(options.dataset, "abstract", stage.limit)
        halves = [split_abstract(text) for text in texts]
        model = load_evaluated(options.base, options.adapter, stage, merge=True)
        rows, counts = make_rows(model, stage, ids, [prompt for prompt, _ in halves])
        shards = Shards(options.shards, work_note("complete.py", options, stage, [row.prompt for row in rows]))
        waiting = resume(rows, shards.read())
        with Progress("complete", len(rows), "abstracts") as progress:
            progress.advance(len(rows) - len(waiting))

            def save(finished, growing):
                shards.append(shard_table([*finished, *growing]))
                progress.advance(len(finished))

            Completer(model, stage.generation).complete(waiting, save)
        table = completion_table(model.tokenizer, rows, halves)
        write_table(options.output, table, evaluation_record(model, stage, **counts))
        shards.remove()


if __name__ == "__main__":
    launch(__doc__, arguments, main)
