"""Complete the abstracts of an evaluation set with one run's model."""

from pathlib import Path

from feyntune.program import Progress, about, launch, read_settings
from feyntune.settings.completion import CompletionStage


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

    from feyntune.abstracts import read_abstracts
    from feyntune.completion import Completer
    from feyntune.continuations import completion_table, make_rows, resume, shard_table
    from feyntune.evaluated import evaluation_record, load_evaluated, work_note
    from feyntune.files import write_table
    from feyntune.locks import locked
    from feyntune.prompts import split_abstract
    from feyntune.shards import Shards

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
