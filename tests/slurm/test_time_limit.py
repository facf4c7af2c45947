"""A training that is longer than its job may be."""

import json
import subprocess
import sys

import pytest
from house import ENVIRONMENT, PROJECT
from small_training import settings, write_data

pytestmark = pytest.mark.slurm

STEPS = 70
ARGUMENTS = "--base {base} --train train.parquet --test test.parquet --watched watched.parquet --settings settings.json"


def test_it_saves_itself_in_time_and_is_submitted_again_with_more(drive, jobs, tiny_model, tmp_path):
    write_data(tmp_path)
    given = settings(training={"max_steps": STEPS, "batch_size": 4})
    (tmp_path / "settings.json").write_text(json.dumps(given))
    arguments = ARGUMENTS.format(base=tiny_model)
    driver = drive(f"""
rule train:
    output: "adapter/adapter_model.safetensors"
    log: "train.log"
    resources: mem_mb=3000, runtime=lambda wildcards, attempt: attempt
    shell:
        "PYTHONPATH={PROJECT}/scripts {sys.executable} {PROJECT}/tests/slurm/slow_train.py {arguments}"
        " --time-limit {{resources.runtime}} --checkpoints checkpoints --output adapter --gpus 0 --log {{log}}"
""", limit=420)  # fmt: skip
    undisturbed = tmp_path / "undisturbed"
    folders = f"--checkpoints {undisturbed}/checkpoints --output {undisturbed}/adapter --log {undisturbed}/log --gpus 0"
    command = [sys.executable, PROJECT / "scripts/train.py", *arguments.split(), *folders.split()]
    subprocess.run(command, cwd=tmp_path, env={**ENVIRONMENT, "OMP_NUM_THREADS": "1"}, check=True)
    code, said = driver.wait()
    assert code == 0, said
    found = [(job["JobState"], job["TimeLimit"]) for job in jobs()]
    assert found[0] == ("FAILED", "00:01:00"), found  # it ended itself; SLURM would call it TIMEOUT
    assert found[1][1] == "00:02:00" and found[-1][0] == "COMPLETED"
    assert "stopped before the time limit at step" in said
    for name in ("adapter_model.safetensors", "adapter_config.json"):
        assert (tmp_path / "adapter" / name).read_bytes() == (undisturbed / "adapter" / name).read_bytes()
    assert not (tmp_path / "checkpoints").exists()
