"""A training whose job ends before it does: by its time limit, or by Ctrl-C of the driver."""

import json
import os
import signal
import subprocess
import sys

import pytest

from support.small_training import settings, write_data
from support.workspace import ENVIRONMENT, PROJECT

pytestmark = pytest.mark.slurm

ARGUMENTS = (
    "--base {base} --train train.parquet --test test.parquet --control-prompts control_prompts.parquet"
    " --settings settings.json"
)
RULE = """
rule train:
    output: "adapter/adapter_model.safetensors"
    log: "train.log"
    resources: mem_mb=3000, runtime={runtime}
    shell:
        "PYTHONPATH={project}/scripts {python} {project}/tests/slurm/slow_train.py {arguments}"
        " --time-limit {{resources.runtime}} --checkpoints checkpoints --output adapter --gpus 0 --log {{log}}"
"""


@pytest.fixture
def train(drive, tiny_model, tmp_path):
    """A function that starts a driver of a training, in steps of a second, that asks for ``runtime``."""

    def train(runtime, **training):
        write_data(tmp_path)
        given = settings(training={"batch_size": 4, **training})
        (tmp_path / "settings.json").write_text(json.dumps(given))
        values = {"project": PROJECT, "python": sys.executable, "arguments": ARGUMENTS.format(base=tiny_model)}
        # Room for three submissions: on a busy machine the first one has ended before its first step.
        return drive(RULE.format(runtime=runtime, **values), limit=720)

    return train


@pytest.fixture
def undisturbed(tiny_model, tmp_path):
    """A function that trains the same without SLURM, and gives the folder of the adapter."""

    def train():
        folder = tmp_path / "undisturbed"
        places = f"--checkpoints {folder}/checkpoints --output {folder}/adapter --log {folder}/log --gpus 0"
        command = [sys.executable, PROJECT / "scripts/train.py", *ARGUMENTS.format(base=tiny_model).split()]
        environment = {**ENVIRONMENT, "OMP_NUM_THREADS": "1"}
        subprocess.run([*command, *places.split()], cwd=tmp_path, env=environment, check=True)
        return folder / "adapter"

    return train


def assert_same_adapter(folder, other):
    for name in ("adapter_model.safetensors", "adapter_config.json"):
        assert (folder / name).read_bytes() == (other / name).read_bytes()


def test_it_saves_itself_in_time_and_is_submitted_again_with_more(train, undisturbed, jobs, tmp_path):
    # Two minutes: on a busy machine, the imports alone have taken one.
    driver = train("lambda wildcards, attempt: attempt + 1", max_steps=125)
    expected = undisturbed()
    code, said = driver.wait()
    assert code == 0, said
    found = [(job["JobState"], job["TimeLimit"]) for job in jobs()]
    assert found[0] == ("FAILED", "00:02:00"), found  # it ended itself; SLURM would call it TIMEOUT
    assert found[1][1] == "00:03:00" and found[-1][0] == "COMPLETED"
    assert "stopped before the time limit at step" in said
    assert_same_adapter(tmp_path / "adapter", expected)
    assert not (tmp_path / "checkpoints").exists()


def test_ctrl_c_keeps_the_checkpoints_and_the_same_command_goes_on(train, undisturbed, drive, cluster, jobs, tmp_path):
    driver = train(10, max_steps=20, checkpoint_minutes=0.05)
    driver.until(lambda: list(tmp_path.glob("checkpoints/*/complete.json")), "checkpoint")
    os.kill(driver.process.pid, signal.SIGINT)
    code, said = driver.wait()
    assert code != 0, said
    cluster.wait(lambda: [job["JobState"] for job in jobs()] == ["CANCELLED"], "end of the training")
    assert list(tmp_path.glob("checkpoints/*/complete.json")) and not (tmp_path / "adapter").exists()
    expected = undisturbed()
    code, said = drive(None, limit=240).wait()
    assert code == 0, said
    assert "resuming from checkpoint-" in (tmp_path / "train.log").read_text()
    assert_same_adapter(tmp_path / "adapter", expected)
