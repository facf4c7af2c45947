"""Train the tokenizer and pretrain the small Llama of the embedded default on a snapshot."""

from __future__ import annotations

import argparse
from pathlib import Path

from feyntune.core.cli import Progress, launch, read_settings, say


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--snapshot", type=Path, required=True, help="JSON lines written by demo_snapshot.py")
    parser.add_argument("--settings", required=True, help="DemoModel, as JSON or a JSON file")
    parser.add_argument("--output", type=Path, required=True, help="model folder to write")


def main(options: argparse.Namespace) -> None:
    from feyntune.config.schema.demo import DemoModel
    from feyntune.core.files import folder_written_whole
    from feyntune.demo import model as demo
    from feyntune.demo.texts import snapshot_texts
    from feyntune.models.tokenizer import encode

    settings = read_settings(DemoModel, options.settings)
    tokenizer = demo.train_tokenizer(snapshot_texts(options.snapshot), settings.vocabulary)
    sequences = encode(tokenizer, snapshot_texts(options.snapshot, settings.without), eos=True)
    model = demo.build_model(settings, tokenizer)
    say(f"{model.num_parameters():,} parameters, {len(sequences):,} abstracts, none of {', '.join(settings.without)}")
    with Progress("pretraining", settings.steps, "steps") as progress:
        demo.pretrain(model, sequences, settings, lambda loss: progress.advance(note=f"loss {loss:.2f}"))
    with folder_written_whole(options.output) as aside:
        model.save_pretrained(aside)
        tokenizer.save_pretrained(aside)


if __name__ == "__main__":
    launch(__doc__, arguments, main)
