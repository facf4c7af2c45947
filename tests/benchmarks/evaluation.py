"""The cost of evaluation during training: on samples, as by default here, and on whole splits, as in the reference.

Both are ``train.py`` with the paper's settings (four epochs, ten evaluations); the completions of control prompts,
equal in both, are short. Evaluation must not change the training: the adapters are equal to the byte.
"""

from __future__ import annotations

import functools
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.comparison import OURS, REFERENCE, Benchmark, Case
from benchmarks.material import BOS, EOS, device, dtype, random_model, realistic_lengths, shape
from support.workspace import PROJECT

ROWS = {OURS: "auto", REFERENCE: None}
TEST = 15 / 70
"""Abstracts in the test split per abstract in the training split."""


def prepare(count: int, folder: Path) -> Case:
    """A case of a training on so many abstracts."""
    model = _model_with_tokenizer(folder.parent / "model")
    for seed, (name, rows) in enumerate((("train", count), ("test", int(TEST * count)), ("control_prompts", 1))):
        _write_abstracts(folder / f"{name}.parquet", rows, seed)
    ways = {way: functools.partial(_train, model, folder, way) for way in (REFERENCE, OURS)}
    return Case(4 * sum(realistic_lengths(count)), ways)


def _model_with_tokenizer(folder: Path) -> Path:
    """The random Llama, with a tokenizer whose tokens are words."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    names = {BOS: "<s>", EOS: "</s>"}
    words = {names.get(number, f"w{number}"): number for number in range(shape().vocab_size)}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token=names[EOS]))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    random_model(folder)
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>").save_pretrained(folder)
    return folder


def _write_abstracts(path: Path, count: int, seed: int) -> None:
    import pyarrow
    from pyarrow.parquet import write_table

    draw, lengths = np.random.default_rng(seed), realistic_lengths(count, seed)
    words = [draw.integers(2, shape().vocab_size, length - 2) for length in lengths]
    abstracts = [" ".join(f"w{word}" for word in text) for text in words]
    write_table(pyarrow.table({"id": [f"{path.stem}{number}" for number in range(count)], "abstract": abstracts}), path)


def _train(model: Path, folder: Path, way: str) -> tuple[bytes, float]:
    """Train; returns the adapter's weights and the fraction of the time spent on evaluation."""
    samples = {"test_rows": ROWS[way], "train_rows": ROWS[way], "control_prompts": 1, "max_new_tokens": 16}
    settings = {
        "run": "bench",
        "seed": 0,
        "lora": {},
        "target_modules": ["q_proj", "k_proj", "v_proj"],
        "quantization": {},
        "precision": {"dtype": str(dtype()).removeprefix("torch.")},
        "training": {"evaluation": samples},
    }
    output = folder / way
    shutil.rmtree(output, ignore_errors=True)
    inputs = {"--train": "train", "--test": "test", "--control-prompts": "control_prompts"}
    splits = [f"{option}={folder / name}.parquet" for option, name in inputs.items()]
    places = ["--checkpoints", folder / f"checkpoints-{way}", "--output", output, "--log", folder / f"{way}.log"]
    device_options = ["--gpus", str(int(device().type == "cuda")), "--settings", json.dumps(settings)]
    command = [sys.executable, PROJECT / "scripts/train.py", "--base", model, *splits, *places, *device_options]
    subprocess.run(command, check=True, capture_output=True)
    fraction = json.loads((output / "run.json").read_text())["measured"]["evaluation_fraction"]
    return (output / "adapter_model.safetensors").read_bytes(), fraction


def check(results: dict[str, Any]) -> str:
    """The adapters are equal to the byte; report the fractions of time spent on evaluation."""
    (slow, slow_fraction), (fast, fraction) = results[REFERENCE], results[OURS]
    assert device().type == "cuda" or slow == fast, "evaluation changes the adapter"
    return f"equal adapters; evaluation takes {fraction:.1%} of the time, the reference's way {slow_fraction:.1%}"


BENCHMARKS = [
    Benchmark(
        name="evaluation",
        title="a training with its evaluations",
        unit="tokens",
        sizes=(48, 96, 192),
        prepare=prepare,
        check=check,
        repetitions=1,
        with_memory=False,
    )
]
