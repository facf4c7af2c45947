"""``train.py`` in its own processes: killed, interrupted, stopped by its time limit, and on two devices."""

import json
import signal
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet
import pytest

from support.small_training import command, settings, start, training_job, weights

GIVEN = settings(training={"max_steps": 24, "evaluation": {"times": 4}, "checkpoint_minutes": 1e-4})
PATIENCE = 300
SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"


def train_uninterrupted(base, data, folder, given):
    """Train in this process, with one thread like the others."""
    import torch

    from feyntune.training import job

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    job.train(training_job(base, data, folder, given))
    torch.set_num_threads(threads)


def wait_until(process, condition):
    """Wait for a condition while a process runs."""
    limit = time.monotonic() + PATIENCE
    while not condition():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < limit, f"timed out after {PATIENCE} s"
        time.sleep(0.01)


def finish(process):
    output = process.communicate(timeout=PATIENCE)[0]
    return process.returncode, output


def checkpoint_exists(folder, step):
    """A condition: the checkpoint of ``step`` or of a later one is written, perhaps not completely."""
    return lambda: any(int(path.name.split("-")[1]) >= step for path in folder.glob("checkpoints/checkpoint-*"))


def test_killed_interrupted_and_stopped_equals_uninterrupted_to_the_bit(tiny_model, data, tmp_path):
    """Killed during the first checkpoint, interrupted, killed a moment later, stopped by the time limit, resumed."""
    arguments = command(tiny_model, data, tmp_path, GIVEN)
    for step, signal_number, pause, code in (
        (1, signal.SIGKILL, 0, -9),
        (5, signal.SIGINT, 0, 130),
        (12, signal.SIGKILL, 0.05, -9),
    ):
        process = start(arguments, tmp_path)
        wait_until(process, checkpoint_exists(tmp_path, step))
        time.sleep(pause)
        process.send_signal(signal_number)
        assert finish(process)[0] == code
        assert not (tmp_path / "adapter").exists()

    code, output = finish(start([*arguments, "--time-limit", "0.01", "--log", "train.log"], tmp_path))
    assert code == 75, output
    assert "train small: resuming from checkpoint-" in output
    assert "train small: error: stopped before the time limit at step" in output.splitlines()[-1]
    assert "Traceback" in (tmp_path / "train.log").read_text()
    assert not (tmp_path / "adapter").exists()

    code, output = finish(start(arguments, tmp_path))
    assert code == 0, output
    train_uninterrupted(tiny_model, data, tmp_path / "uninterrupted", GIVEN)
    assert weights(tmp_path) == weights(tmp_path / "uninterrupted")
    history = [folder / "adapter" / "history.parquet" for folder in (tmp_path, tmp_path / "uninterrupted")]
    assert history[0].read_bytes() == history[1].read_bytes()
    assert not (tmp_path / "checkpoints").exists()


def test_two_devices_stop_resume_and_give_the_result_of_one(tiny_model, data, tmp_path):
    given = settings(lora={"dropout": 0})
    arguments = command(tiny_model, data, tmp_path, given, "--gpus", "2", "--log", "train.log")
    code, output = finish(start([*arguments, "--time-limit", "0.01"], tmp_path))
    assert code == 75, output
    assert output.count("stopped before the time limit") == 1, "only one process reports"
    assert {"rng_state_0.pth", "rng_state_1.pth"} <= {path.name for path in tmp_path.glob("checkpoints/checkpoint-1/*")}

    code, output = finish(start(arguments, tmp_path))
    assert code == 0, output
    assert "resuming from checkpoint-1" in output
    train_uninterrupted(tiny_model, data, tmp_path / "one", given)
    folders = [tmp_path / "adapter", tmp_path / "one" / "adapter"]
    two, one = (pyarrow.parquet.read_table(folder / "history.parquet") for folder in folders)
    assert two["step"].to_pylist() == one["step"].to_pylist() == list(range(10))
    for name in set(one.schema.names) - {"step", "epoch", "control_prompts"}:
        np.testing.assert_allclose(two[name].drop_null(), one[name].drop_null(), rtol=5e-3, err_msg=name)
    records = [json.loads((folder / "run.json").read_text()) for folder in folders]
    assert [record["processes"] for record in records] == [2, 1]
    assert records[0]["measured"]["padding_fraction"] < 0.08


OUT_OF_MEMORY_ON_ONE_DEVICE = """
import os, sys
sys.path.insert(0, {scripts!r})
import train
from feyntune.core.cli import launch

def main(options):
    import torch
    from feyntune.training.trainer import AdapterTrainer
    original, fails = AdapterTrainer.compute_loss, [os.environ.get("RANK") == "1"]

    def compute_loss(self, *arguments, **others):
        loss = original(self, *arguments, **others)
        if fails.pop() if fails else False:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return loss

    AdapterTrainer.compute_loss = compute_loss
    train.main(options)

launch(train.__doc__, train.arguments, main)
"""


def test_one_device_out_of_memory_divides_the_step_on_all(tiny_model, data, tmp_path):
    given = settings(training={"max_steps": 3, "per_device_batch_size": "auto"})
    program = tmp_path / "train_failing.py"
    program.write_text(OUT_OF_MEMORY_ON_ONE_DEVICE.format(scripts=str(SCRIPTS)))
    arguments = command(tiny_model, data, tmp_path / "failing", given, "--gpus", "2")
    arguments[1] = str(program)
    code, output = finish(start(arguments, tmp_path))
    assert code == 0, output
    assert output.count("out of memory in step 1: repeating it with 2 micro-batches a step") == 1
    record = json.loads((tmp_path / "failing" / "adapter" / "run.json").read_text())
    assert (record["micro_batches_per_step"], record["processes"]) == (4, 2)
    undivided = settings(training={"max_steps": 3, "per_device_batch_size": 1})
    code, output = finish(start(command(tiny_model, data, tmp_path / "given", undivided, "--gpus", "2"), tmp_path))
    assert code == 0, output
    assert weights(tmp_path / "failing") == weights(tmp_path / "given")


LAUNCHER = """
import os, sys, time
from pathlib import Path
sys.path.insert(0, {scripts!r})
from feyntune.training import distributed
if not distributed.is_launched():
    distributed.launch_processes(2, 0.0)
    print("done")
elif sys.argv[1] == "fail":
    sys.exit(75)
elif sys.argv[1] == "wait":
    Path(f"{{distributed.rank()}}.pid").write_text(str(os.getpid()))
    time.sleep(600)
"""


@pytest.fixture
def launcher(tmp_path):
    """A program that launches itself twice and then follows its argument."""
    (tmp_path / "launcher.py").write_text(LAUNCHER.format(scripts=str(SCRIPTS)))
    return lambda word: start([sys.executable, "launcher.py", word], tmp_path)


def test_the_program_exits_with_the_code_of_a_failed_process(launcher):
    assert finish(launcher("fail"))[0] == 75
    code, output = finish(launcher("succeed"))
    assert (code, output.splitlines()[-1]) == (0, "done")


def test_a_terminated_program_leaves_no_process_behind(launcher, tmp_path):
    process = launcher("wait")
    wait_until(process, lambda: len([path for path in tmp_path.glob("*.pid") if path.read_text()]) == 2)
    children = [path.read_text() for path in tmp_path.glob("*.pid")]
    process.terminate()
    assert finish(process)[0] == 128 + signal.SIGTERM
    assert not [child for child in children if Path("/proc", child).exists()]
