"""FSDP: two processes that divide a model give the result of one process; what cannot be divided is refused."""

import numpy as np
import pytest

from feyntune.config.schema.training import Tracking, TrainingStage
from feyntune.core.errors import FeynTuneError
from feyntune.training import distributed, job
from feyntune.training.checks import check_settings
from support.small_training import command, settings, start, training_job

SHORT = {
    "max_steps": 4,
    "optimizer": {"learning_rate": 1e-3},
    "evaluation": {"times": 2, "test_rows": 5, "train_rows": 3, "control_prompts": 3, "max_new_tokens": 6},
}
METHODS = {
    "lora": {"quantization": {"method": "none"}},
    "dora": {
        "quantization": {"method": "none"},
        "lora": {"use_dora": True},
        "training": {"gradient_checkpointing": True, "per_device_batch_size": 1},
    },
    "pissa": {"quantization": {"method": "none"}, "lora": {"init": "pissa"}},
    "qlora": {"quantization": {"method": "nf4"}},
    "full": {"quantization": {"method": "none"}, "training": {"method": "full"}},
}


def given_of(method, **training):
    changes = METHODS[method]
    plain = {
        "lora": {"dropout": 0, **changes.get("lora", {})},
        "training": {**SHORT, **changes.get("training", {}), **training},
    }
    modules = {"target_modules": []} if method == "full" else {}
    return settings(**{**changes, **plain, **modules})


def run_two(base, data, folder, given):
    process = start(command(base, data, folder, given, "--gpus", "2"), folder)
    output, _ = process.communicate(timeout=300)
    return process.returncode, output


def results(folder, method):
    import pyarrow.parquet
    from safetensors.numpy import load_file

    history = pyarrow.parquet.read_table(folder / "adapter/history.parquet").to_pandas()
    return load_file(
        folder / "adapter" / ("model.safetensors" if method == "full" else "adapter_model.safetensors")
    ), history


@pytest.mark.parametrize("method", METHODS)
def test_two_processes_that_divide_the_model_give_the_result_of_one(tiny_model, data, tmp_path, method):
    job.train(training_job(tiny_model, data, tmp_path / "one", given_of(method)))
    code, output = run_two(tiny_model, data, tmp_path / "two", given_of(method, parallel="fsdp"))
    assert code == 0, output
    (ours, our_history), (theirs, their_history) = (results(tmp_path / name, method) for name in ("two", "one"))
    assert ours.keys() == theirs.keys()
    for name, weight in theirs.items():
        np.testing.assert_allclose(ours[name], weight, atol=2e-4, err_msg=name)
    for column in ("loss", "grad_norm", "test_loss", "test_perplexity", "train_perplexity"):
        np.testing.assert_allclose(our_history[column], their_history[column], rtol=2e-3, err_msg=column)
    texts = [
        [[row["completion"] for row in rows] for rows in each["control_prompts"].dropna()]
        for each in (our_history, their_history)
    ]
    assert texts[0][0] == texts[1][0]  # before the first step, where nothing is rounded differently


@pytest.mark.parametrize("method", ["lora", "full"])
def test_an_interrupted_training_resumes_from_whole_checkpoints(tiny_model, data, tmp_path, method):
    given = given_of(method, parallel="fsdp")
    arguments = command(tiny_model, data, tmp_path / "two", given, "--gpus", "2", "--time-limit", "0.01")
    process = start(arguments, tmp_path / "two")
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 75, output
    checkpoint = tmp_path / "two/checkpoints/checkpoint-1"
    assert {"pytorch_model_fsdp.bin", "optimizer.bin"} <= {path.name for path in checkpoint.iterdir()}
    code, output = run_two(tiny_model, data, tmp_path / "two", given)
    assert code == 0 and "resuming from checkpoint-1" in output, output
    job.train(training_job(tiny_model, data, tmp_path / "one", given_of(method)))
    (ours, _), (theirs, _) = (results(tmp_path / name, method) for name in ("two", "one"))
    for name, weight in theirs.items():
        np.testing.assert_allclose(ours[name], weight, atol=2e-4, err_msg=name)


@pytest.mark.parametrize(
    ("changes", "gpus", "message"),
    [
        ({}, 1, "divides a model among GPUs, and there is 1; set gpus to 2 or more"),
        ({}, 0, "and there is 0; set gpus to 2 or more"),
        ({"quantization": {"method": "int8"}}, 2, "cannot divide int8 weights"),
        ({"precision": {"dtype": "float16"}}, 2, "is not tested in float16"),
        ({"lora": {"init": "loftq"}}, 2, "does not combine with lora.init: loftq"),
        ({"training": {"optimizer": {"name": "adamw_8bit"}}}, 2, "does not work with adamw_8bit"),
    ],
)
def test_what_cannot_be_divided_is_refused_in_one_line(tiny_model, changes, gpus, message):
    training = {**changes.get("training", {}), "parallel": "fsdp"}
    stage = TrainingStage.model_validate(settings(**{**changes, "training": training}))
    with pytest.raises(FeynTuneError) as error:
        check_settings(stage, tiny_model, gpus, Tracking())
    assert message in str(error.value) and "\n" not in str(error.value)


def test_processes_in_step_call_a_function_equally_often(monkeypatch):
    """Three items and two processes: each calls twice, and the fourth result is that of a repeated item."""
    import accelerate.utils

    calls, gathered = [], []
    monkeypatch.setattr(accelerate.utils, "gather_object", lambda done: gathered.extend(done) or gathered)
    for own in (0, 1):
        state = type("State", (), {"num_processes": 2, "process_index": own})
        monkeypatch.setattr("accelerate.PartialState", lambda state=state: state)
        found = distributed.map_across_processes(lambda item: calls.append(item) or 10 * item, [1, 2, 3], in_step=True)
    assert calls == [1, 3, 2, 3] and found == [10, 20, 30]


def test_gradients_are_averaged_in_parts_of_bounded_size(monkeypatch):
    import torch

    monkeypatch.setattr(distributed, "REDUCED_AT_ONCE", 5)
    parts = list(distributed._in_parts([torch.zeros(size) for size in (3, 1, 4, 9, 2)]))
    assert [[len(tensor) for tensor in part] for part in parts] == [[3, 1, 4], [9], [2]]


def test_a_step_of_a_divided_model_holds_a_part_of_its_states_and_weights():
    from types import SimpleNamespace

    import torch

    from feyntune.training.preparation import _held_bytes

    model = torch.nn.Linear(10, 100, bias=False)  # 1,000 weights of four bytes
    held = {}
    for parallel in ("ddp", "fsdp"):
        stage = TrainingStage.model_validate(given_of("full", parallel=parallel))  # in float32, with AdamW
        setup = SimpleNamespace(stage=stage, config=SimpleNamespace(num_hidden_layers=40))
        held[parallel] = _held_bytes(setup, model, 1000, 2)
    assert held == {"ddp": 12 * 1000, "fsdp": (12 + 4) * 1000 / 2 + 4 * 4000 / 40}
