"""A training of seconds: its data, its settings, its command; for the tests of training."""

import copy
import json
import os
import random
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

from support.sentences import SENTENCES

PROGRAM = Path(__file__).resolve().parents[2] / "scripts" / "train.py"

SETTINGS = {
    "run": "small",
    "seed": 7,
    "lora": {"r": 4, "dropout": 0.1},
    "target_modules": ["q_proj", "v_proj", "down_proj"],
    "quantization": {"method": "nf4"},
    "precision": {"dtype": "float32"},
    "training": {
        "max_steps": 9,
        "batch_size": 4,
        "gradient_checkpointing": False,
        "optimizer": {"learning_rate": 1e-2},
        "evaluation": {"times": 3, "test_rows": 5, "train_rows": 4, "control_prompts": 2, "max_new_tokens": 6},
    },
}


def settings(**changes):
    """The small training's settings; ``changes`` replace keys at the top, or inside a section given as a dict."""
    merged = copy.deepcopy(SETTINGS)
    for key, value in changes.items():
        merged[key] = {**merged[key], **value} if isinstance(value, dict) else value
    return merged


def write_data(folder, rows=30):
    """Write train.parquet, test.parquet and control_prompts.parquet: abstracts of one to six sentences."""
    import pyarrow
    import pyarrow.parquet

    random_numbers = random.Random(0)
    for name, count in (("train", rows), ("test", 8), ("control_prompts", 3)):
        texts = [" ".join(random_numbers.choices(SENTENCES, k=random_numbers.randint(1, 6))) for _ in range(count)]
        table = pyarrow.table({"id": [f"{name}{number}" for number in range(count)], "abstract": texts})
        pyarrow.parquet.write_table(table, folder / f"{name}.parquet")
    return folder


def options(base, data, folder, given=None, **changes):
    """What ``train.py`` hands to the library, with its outputs in ``folder``."""
    from feyntune.config.schema.training import Tracking, TrainingStage

    defaults = {
        "base": base, "base_names": ["tiny"], "train": data / "train.parquet", "test": data / "test.parquet",
        "control_prompts": data / "control_prompts.parquet",
        "settings": TrainingStage.model_validate(given or settings()),
        "tracking": Tracking(), "checkpoints": folder / "checkpoints", "output": folder / "adapter",
        "time_limit": None, "started": 0.0, "gpus": 0,
    }  # fmt: skip
    return SimpleNamespace(**{**defaults, **changes})


def command(base, data, folder, given=None, *more):
    """The command that does the same as a process of its own."""
    inputs = {"--train": "train", "--test": "test", "--control-prompts": "control_prompts"}
    files = [text for option, name in inputs.items() for text in (option, str(data / f"{name}.parquet"))]
    outputs = ["--checkpoints", str(folder / "checkpoints"), "--output", str(folder / "adapter")]
    told = ["--base", str(base), "--base-names", '["tiny"]', "--settings", json.dumps(given or settings())]
    return [sys.executable, str(PROGRAM), *told, *files, *outputs, *more]


def start(arguments, folder, **environment):
    """Start a command on one thread, in ``folder``; both streams go to a pipe."""
    folder.mkdir(parents=True, exist_ok=True)
    return subprocess.Popen(
        arguments,
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def weights(folder):
    """The bytes of a finished adapter's weights."""
    return (folder / "adapter" / "adapter_model.safetensors").read_bytes()
