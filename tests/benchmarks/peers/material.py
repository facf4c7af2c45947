"""Abstracts, a model with a tokenizer that are made on the spot, and workers that run the other programs."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.material import random_model, shape
from benchmarks.peers import PYTHON
from benchmarks.workers import Worker

REAL = "arxiv/arxiv-metadata-sample.jsonl"
"""The snapshot in the folder FEYNTUNE_REAL_DATA."""
DEMO_PAPERS = 2000


def snapshot_lines() -> list[str]:
    """Lines of a snapshot: real ones if FEYNTUNE_REAL_DATA names their folder, else those of the embedded default."""
    from feyntune.demo import snapshot

    if folder := os.environ.get("FEYNTUNE_REAL_DATA"):
        return (Path(folder) / REAL).read_text(encoding="utf-8").splitlines()
    return list(snapshot.snapshot_lines(DEMO_PAPERS, [], 0))


def abstracts(count: int) -> list[str]:
    """So many abstracts, each on one line."""
    texts = []
    for line in snapshot_lines():
        try:
            text = json.loads(line)["abstract"]
        except (ValueError, KeyError):
            continue  # one of the faults in the embedded snapshot
        texts += [" ".join(text.split())] if text else []
        if len(texts) == count:
            return texts
    raise AssertionError(f"the snapshot has only {len(texts)} abstracts")


def model_with_tokenizer(folder: Path, texts: Sequence[str]) -> Path:
    """Save a random Llama and a byte-level tokenizer of the texts with BOS and EOS, unless they are there."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    if not (folder / "tokenizer.json").is_file():
        random_model(folder)
        tokenizer = Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.decoder = decoders.ByteLevel()
        trainer = trainers.BpeTrainer(
            vocab_size=shape().vocab_size,
            special_tokens=["<s>", "</s>"],
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        )
        tokenizer.train_from_iterator(texts, trainer)
        fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>")
        fast.save_pretrained(folder)
    return folder


def peer(name: str, folder: Path, **given: Any) -> Worker:
    """Start a worker of another program.

    Args:
        name: of its script, ``{name}_worker.py``.
        folder: for its log.
        given: what its ``prepare`` takes.
    """
    worker = Worker(PYTHON, Path(__file__).with_name(f"{name}_worker.py"), folder / f"{name}.log", given)
    assert worker.ready, f"{name} does not start: {worker.last_words()}"
    return worker
