"""A training that takes seconds, for tests: its data, settings, job and command."""

from __future__ import annotations

import copy
import json
import os
import random
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from support import forked
from support.sentences import SENTENCES

if TYPE_CHECKING:
    from feyntune.training.job import TrainingJob

PROGRAM = Path(__file__).resolve().parents[2] / "scripts" / "train.py"

SETTINGS: dict[str, Any] = {
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


STRANGE = "zebra quartz xylophone jukebox wombat fjord sphinx vortex gymnast yacht".split()


def settings(**changes: Any) -> dict[str, Any]:
    """The small training's settings; ``changes`` replace keys at the top, or inside a section given as a dict."""
    merged = copy.deepcopy(SETTINGS)
    for key, value in changes.items():
        merged[key] = {**merged[key], **value} if isinstance(value, dict) else value
    return merged


def write_data(folder: Path, rows: int = 30) -> Path:
    """Write train, test, control_prompts and validation.parquet: abstracts of one to six sentences.

    Those of validation.parquet are of words that no other file has: after a long training a model gets worse at them.
    """
    import pyarrow
    import pyarrow.parquet

    random_numbers = random.Random(0)
    for name, count in (("train", rows), ("test", 8), ("control_prompts", 3)):
        texts = [" ".join(random_numbers.choices(SENTENCES, k=random_numbers.randint(1, 6))) for _ in range(count)]
        table = pyarrow.table({"id": [f"{name}{number}" for number in range(count)], "abstract": texts})
        pyarrow.parquet.write_table(table, folder / f"{name}.parquet")
    strange = [" ".join(random_numbers.choices(STRANGE, k=12)) for _ in range(7)]
    table = pyarrow.table({"id": [f"validation{number}" for number in range(7)], "abstract": strange})
    pyarrow.parquet.write_table(table, folder / "validation.parquet")
    return folder


def training_job(
    base: Path, data: Path, folder: Path, given: dict[str, Any] | None = None, **changes: Any
) -> TrainingJob:
    """The training as a job in this process, with its outputs in ``folder``."""
    from feyntune.config.schema.training import Tracking, TrainingStage
    from feyntune.training.job import TrainingJob

    defaults = {
        "base": base, "base_names": ["tiny"], "train": data / "train.parquet", "test": data / "test.parquet",
        "control_prompts": data / "control_prompts.parquet",
        "settings": TrainingStage.model_validate(given or settings()),
        "tracking": Tracking(), "checkpoints": folder / "checkpoints", "output": folder / "adapter",
        "time_limit": None, "started": 0.0, "gpus": 0, "code": "tests",
    }  # fmt: skip
    return TrainingJob(**{**defaults, **changes})


def command(base: Path, data: Path, folder: Path, given: dict[str, Any] | None = None, *more: str) -> list[str]:
    """The same training as a command, in a process of its own."""
    inputs = {"--train": "train", "--test": "test", "--control-prompts": "control_prompts"}
    files = [text for option, name in inputs.items() for text in (option, str(data / f"{name}.parquet"))]
    outputs = ["--checkpoints", str(folder / "checkpoints"), "--output", str(folder / "adapter")]
    model = ["--base", str(base), "--base-names", '["tiny"]', "--settings", json.dumps(given or settings())]
    return [sys.executable, str(PROGRAM), *model, *files, *outputs, *more]


def start(arguments: list[str], folder: Path, **environment: str) -> forked.Forked:
    """Start a command with one thread, in ``folder``; its errors go to its output."""
    folder.mkdir(parents=True, exist_ok=True)
    given = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1", **environment}
    return forked.Forked(arguments, folder, given, forked.TORCH)


def weights(folder: Path) -> bytes:
    """The bytes of a finished adapter's weights."""
    return (folder / "adapter" / "adapter_model.safetensors").read_bytes()
