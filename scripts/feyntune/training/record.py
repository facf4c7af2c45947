"""What a finished training leaves behind: the adapter, its history, and where it comes from."""

import os
import shutil
import tempfile
from pathlib import Path

from feyntune.core.files import flush_to_disk, read_json, write_json, write_table

WEIGHTS = "adapter_model.safetensors"
STEP = ("loss", "learning_rate", "grad_norm")
MEASURED = ("test_loss", "test_perplexity", "train_loss", "train_perplexity")


def save_adapter(model, folder):
    """Write a PEFT adapter into ``folder``, the same bytes for the same weights: no model card, layers in order."""
    model.save_pretrained(folder, save_embedding_layers=False)
    (Path(folder) / "README.md").unlink()
    path = Path(folder) / "adapter_config.json"
    config = read_json(path)
    config["target_modules"] = sorted(config["target_modules"])
    write_json(path, config)
    shutil.copymode(path, Path(folder) / WEIGHTS)  # safetensors lets the owner alone read it


def history_table(log, rows, batch_size):
    """The history of a training as a table: one row a step, in order, evaluations beside the step they follow.

    Columns: ``step`` (0: before the first), ``epoch`` (passes over the training split so far); of the step's batch,
    null at step 0: ``loss`` (mean over its tokens), ``learning_rate``, ``grad_norm`` (before clipping); null where
    nothing was evaluated: ``test_loss``, ``test_perplexity`` on the run's test split, ``train_loss``,
    ``train_perplexity`` on a sample of its training split (perplexities are means over abstracts), and
    ``control_prompts``, the completions of the control papers: ``id, prompt, completion``.

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
            **dict.fromkeys(STEP + MEASURED, pa.float64()),
            "control_prompts": control_prompts,
        }
    )
    steps = {}
    for entry in log:
        if "train_runtime" not in entry:
            steps.setdefault(entry["step"], {}).update(entry)
    merged = [{**entry, "step": step, "epoch": step * batch_size / rows} for step, entry in sorted(steps.items())]
    return pa.Table.from_pylist([{name: entry.get(name) for name in schema.names} for entry in merged], schema=schema)


def publish(model, history, record, output):
    """Put everything into ``output``, each file whole, the weights last: where they are, all is.

    Args:
        model: the trained PEFT model.
        history: from ``history_table``.
        record: content of ``run.json``.
        output: folder of the run's adapter.
    """
    output = Path(output)
    output.mkdir(parents=True, exist_ok=True)
    (output / WEIGHTS).unlink(missing_ok=True)
    write_table(output / "history.parquet", history)
    write_json(output / "run.json", record)
    with tempfile.TemporaryDirectory(dir=output, prefix=".") as aside:
        save_adapter(model, aside)
        for name in ("adapter_config.json", WEIGHTS):
            flush_to_disk(Path(aside) / name)
            os.replace(Path(aside) / name, output / name)
