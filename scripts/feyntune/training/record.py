"""The record of a training: its cost, its history, and the files that it publishes."""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from feyntune.core.files import flush_to_disk, read_json, write_json, write_table
from feyntune.core.integrity import files_record
from feyntune.training.adapter import CONFIG, WEIGHTS

if TYPE_CHECKING:
    import pyarrow

    from feyntune.training.fit import Fit

METER, RECORD, HISTORY = "meter.json", "run.json", "history.parquet"
STEP_COLUMNS = ("loss", "learning_rate", "grad_norm")
EVALUATION_COLUMNS = (
    *("test_loss", "test_perplexity", "train_loss", "train_perplexity"),
    *("validation_loss", "validation_perplexity"),
)


class Meter:
    """Counts computed tokens and the seconds of the training and its parts, and records how steps were divided.

    The counts are saved with the checkpoints, so that a training in several jobs is measured as one.
    """

    def __init__(self) -> None:
        self.seconds = {"all": 0.0, "evaluation": 0.0, "checkpoints": 0.0}
        self.computed = 0
        self.fits: list[dict[str, Any]] = []
        self.last = time.monotonic()

    def start(self, checkpoint: Path | None = None) -> None:
        """Start the clock; continue from a checkpoint's counts if there is one."""
        if checkpoint:
            saved = read_json(checkpoint / METER)
            self.seconds, self.computed, self.fits = saved["seconds"], saved["computed"], saved["fits"]
        self.last = time.monotonic()

    def add_fit(self, step: int, fit: Fit) -> None:
        """Record that from ``step`` on (counted from 0) steps are divided in this way."""
        entry = {"micro_batches_per_device": fit.micro_batches, "gradient_checkpointing": fit.recompute}
        if not self.fits or {**self.fits[-1], "from_step": step} != {"from_step": step, **entry}:
            self.fits.append({"from_step": step, **entry})

    @contextlib.contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Count the seconds of the block as ``evaluation`` or ``checkpoints``."""
        begin = time.monotonic()
        yield
        self.seconds[name] += time.monotonic() - begin

    def stop(self) -> dict[str, float]:
        """Count the time until now, and return the seconds of each part."""
        now = time.monotonic()
        self.seconds["all"] += now - self.last
        self.last = now
        return self.seconds

    def save(self, checkpoint: Path) -> None:
        """Save the counts in a checkpoint."""
        write_json(checkpoint / METER, {"seconds": self.stop(), "computed": self.computed, "fits": self.fits})

    def summary(self, tokens: int) -> dict[str, float]:
        """The costs for ``run.json``.

        Args:
            tokens: tokens that the model was trained on, without padding.
        """
        seconds = self.stop()
        steps = seconds["all"] - seconds["evaluation"] - seconds["checkpoints"]
        return {
            "seconds": round(seconds["all"], 1),
            "evaluation_fraction": round(seconds["evaluation"] / seconds["all"], 4),
            "checkpoints_fraction": round(seconds["checkpoints"] / seconds["all"], 4),
            "tokens_per_second": round(tokens / steps),
            "padding_fraction": round(1 - tokens / self.computed, 4),
            "peak_memory_mb": peak_memory_mb(),
        }


def peak_memory_mb() -> int:
    """Peak memory in MiB: of the GPU if there is one, else of this process."""
    import resource

    import torch

    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() // 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 2**10


def history_table(log: Sequence[Mapping[str, Any]], rows: int, batch_size: int) -> pyarrow.Table:
    """The history of a training: one row for each step, in order; evaluations are in the row of the step before them.

    Columns: ``step`` (0: before the first), ``epoch`` (passes over the training split so far). For the step's batch,
    null at step 0: ``loss`` (mean over its tokens), ``learning_rate``, ``grad_norm`` (before clipping). Null where
    nothing was evaluated: ``test_loss``, ``test_perplexity`` on the run's test split, ``train_loss``,
    ``train_perplexity`` on a sample of its training split (perplexities are means over abstracts),
    ``validation_loss``, ``validation_perplexity`` on its validation split if that decides which adapter is kept, and
    ``control_prompts``, the completions of the control prompts: ``id, prompt, completion``.

    Args:
        log: ``TrainerState.log_history``.
        rows: abstracts in the training split.
        batch_size: abstracts in a step.
    """
    import pyarrow as pa

    control_prompts = pa.list_(pa.struct({"id": pa.string(), "prompt": pa.string(), "completion": pa.string()}))
    schema = pa.schema(
        {
            "step": pa.int64(),
            "epoch": pa.float64(),
            **dict.fromkeys(STEP_COLUMNS + EVALUATION_COLUMNS, pa.float64()),
            "control_prompts": control_prompts,
        }
    )
    steps: dict[int, dict[str, Any]] = {}
    for entry in log:
        if "train_runtime" not in entry:
            steps.setdefault(entry["step"], {}).update(entry)
    merged = [{**entry, "step": step, "epoch": step * batch_size / rows} for step, entry in sorted(steps.items())]
    return pa.Table.from_pylist([{name: entry.get(name) for name in schema.names} for entry in merged], schema=schema)


def publish(
    save: Callable[[Path], object],
    history: pyarrow.Table,
    record: Mapping[str, Any],
    output: Path,
    names: Sequence[str] = (CONFIG, WEIGHTS),
) -> None:
    """Write all results into ``output``, each file atomically, the weights last: they mark the folder complete.

    Args:
        save: writes the files of the model into a folder.
        history: from ``history_table``.
        record: content of ``run.json``, to which the digests of its files are added.
        output: folder of the run's adapter or model.
        names: the files that ``save`` writes, the weights last.
    """
    output.mkdir(parents=True, exist_ok=True)
    (output / names[-1]).unlink(missing_ok=True)
    write_table(output / HISTORY, history)
    with tempfile.TemporaryDirectory(dir=output, prefix=".") as temporary:
        save(Path(temporary))
        write_json(output / RECORD, {**record, "weights": files_record(Path(temporary))})
        for name in names:
            flush_to_disk(Path(temporary) / name)
            os.replace(Path(temporary) / name, output / name)
