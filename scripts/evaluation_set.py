"""Make an evaluation set: abstracts of a dataset's split, without those that any evaluated model was trained on."""

from __future__ import annotations

import argparse
from pathlib import Path

from feyntune.core.cli import about, launch, read_settings, say


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--split", type=Path, required=True, help="parquet file of a split of its dataset")
    parser.add_argument("--trained", type=Path, nargs="*", default=[], help="training splits, as DATASET/train.parquet")
    parser.add_argument("--settings", required=True, help="EvaluationSetStage, as JSON or a JSON file")
    parser.add_argument("--output", type=Path, required=True, help="parquet file with the columns of the dataset")
    parser.add_argument("--summary", type=Path, required=True, help="JSON: how many abstracts were excluded, and why")


def main(options: argparse.Namespace) -> None:
    from feyntune.config.schema.evaluation import EvaluationSetStage
    from feyntune.core.files import write_json, write_table
    from feyntune.data.evaluation_sets import evaluation_set_message, make_evaluation_set

    stage = read_settings(EvaluationSetStage, options.settings)
    about(stage.name)
    trained = {path.parent.name: path for path in options.trained}
    papers, summary = make_evaluation_set(stage, options.split, trained)
    # The abstracts decide the bytes of the table, so that another training dataset without leaks changes nothing.
    write_table(options.output, papers.replace_schema_metadata(None))
    write_json(options.summary, summary)
    say(evaluation_set_message(summary))


if __name__ == "__main__":
    launch(__doc__, arguments, main)
