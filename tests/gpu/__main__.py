"""Run the check, a training, completions and perplexities with a randomly initialised model, and print what they took.

On a GPU the model has the shape of Llama 3.1 8B; without one it is small, to test this program itself.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from feyntune.core.files import read_json, read_table, table_provenance, write_json
from feyntune.core.fingerprint import SCRIPTS

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

LAYERS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
COMMON = {"quantization": {"method": "nf4"}, "precision": {"dtype": "bfloat16"}}
EVALUATED = {**COMMON, "run": "gpu-test", "limit": None, "base_names": ["gpu-test"]}


def main() -> int:
    """Run everything in a folder; the exit code is that of the first program that fails."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("results/gpu-test"))
    parser.add_argument("--abstracts", type=int, default=64)
    parser.add_argument("--cpu", action="store_true", help="accept a machine without a GPU")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    gpus = 0 if options.cpu else 1
    prepare(options.folder, options.abstracts)
    took = {}
    for name, arguments in steps(options.folder, gpus).items():
        start = time.monotonic()
        code = subprocess.run(command(name, arguments, options.folder, gpus), env=environment(), check=False).returncode
        took[name] = round(time.monotonic() - start, 1)
        if code:
            print(f"gpu-test: {name} failed with exit code {code}; its log is in {options.folder}/{name}.log")
            return code
    write_json(options.folder / "gpu-test.json", {**summary(options.folder), "seconds": took})
    print((options.folder / "gpu-test.json").read_text())
    return subprocess.run([sys.executable, str(SCRIPTS / "check_report.py"), options.folder / "check.json"]).returncode


def prepare(folder: Path, abstracts: int) -> None:
    """Make a model folder with a tokenizer, and three files of abstracts, unless they are there."""
    import pyarrow
    import pyarrow.parquet

    from benchmarks import material
    from support.sentences import SENTENCES

    model = material.random_model(folder / "model")
    if not (model / "tokenizer.json").is_file():
        tokenizer(SENTENCES).save_pretrained(model)
    for name in ("train", "test", "control_prompts"):
        texts = [" ".join(SENTENCES[(row + step) % 5] for step in range(2 + row % 9)) for row in range(abstracts)]
        table = pyarrow.table({"id": [f"{name}{row}" for row in range(abstracts)], "abstract": texts})
        pyarrow.parquet.write_table(table, folder / f"{name}.parquet")


def tokenizer(texts: list[str]) -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer with the BOS and EOS of the random models."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    trained = Tokenizer(models.BPE())
    trained.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trained.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=512,
        special_tokens=["<s>", "</s>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    trained.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=trained, bos_token="<s>", eos_token="</s>")


def steps(folder: Path, gpus: int) -> dict[str, list[str]]:
    """The programs in their order, with their arguments."""
    training = {
        **COMMON,
        "run": "gpu-test",
        "seed": 1,
        "lora": {},
        "target_modules": LAYERS,
        "training": {
            "max_steps": 6,
            "evaluation": {"times": 1, "test_rows": 8, "train_rows": 8, "control_prompts": 1, "max_new_tokens": 16},
        },
    }
    check = {
        "snapshots": {},
        "folders": [],
        "datasets": {},
        "wandb_online": False,
        "slurm": None,
        "gpu": gpus,
        "mem_mb": 1000,
        "runtime": 60,
        "attention": "auto",
        "quantization": "nf4",
        "vllm": False,
    }
    completions = {**EVALUATED, "seed": 1, "generation": {"max_new_tokens": 64, "batch_size": 64}}
    base, data = ["--base", str(folder / "model")], ["--dataset", str(folder / "test.parquet")]
    adapter = ["--adapter", str(folder / "adapter")]
    return {
        "check_compute": ["--settings", json.dumps(check), "--output", str(folder / "check.json")],
        "train": [
            *base,
            *("--base-names", '["gpu-test"]', "--gpus", str(gpus), "--settings", json.dumps(training)),
            *("--train", str(folder / "train.parquet"), "--test", str(folder / "test.parquet")),
            *("--control-prompts", str(folder / "control_prompts.parquet")),
            *("--checkpoints", str(folder / "checkpoints"), "--output", str(folder / "adapter")),
        ],
        "complete": [
            *(*base, *adapter, *data, "--settings", json.dumps(completions)),
            *("--shards", str(folder / "shards/completions"), "--output", str(folder / "completions.parquet")),
        ],
        "perplexity": [
            *(*base, *adapter, *data, "--settings", json.dumps({**EVALUATED, "perplexity": {}})),
            *("--shards", str(folder / "shards/perplexity"), "--perplexity", str(folder / "perplexity.parquet")),
            *("--embeddings", str(folder / "embeddings.pt")),
        ],
    }


def command(name: str, arguments: list[str], folder: Path, gpus: int) -> list[str]:
    """The command line of a program on GPUs of its own, with its log in ``folder``."""
    program = [sys.executable, str(SCRIPTS / "on_gpus.py"), str(gpus), str(SCRIPTS / f"{name}.py")]
    return [*program, *arguments, "--log", str(folder / f"{name}.log")]


def environment() -> dict[str, str]:
    """The environment that the workflow gives its programs."""
    return {**os.environ, "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}


def summary(folder: Path) -> dict[str, object]:
    """What the results say of device, time, memory and tokens."""
    record = read_json(folder / "adapter/run.json")
    completions, scored = (read_table(folder / f"{name}.parquet") for name in ("completions", "perplexity"))
    return {
        "device": table_provenance(folder / "completions.parquet")["device"],
        "training": record["measured"],
        "new_tokens": sum(completions["new_tokens"].to_pylist()),
        "mean_nll_per_token": sum(scored["nll"].to_pylist()) / sum(scored["tokens"].to_pylist()),
        "rates": read_json(folder / "check.json")["rates"],
    }


if __name__ == "__main__":
    sys.exit(main())
