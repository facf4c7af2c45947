"""Jobs that run at the same time on one machine: each on GPUs of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from feyntune.core.errors import FeynTuneError
from feyntune.core.gpus import hold_gpus, visible_gpus

PROGRAM = Path(__file__).resolve().parents[2] / "scripts/on_gpus.py"


def run(count, tmp_path, code, **environment):
    """Start ``on_gpus.py`` with a program of one line, on a machine that has only the GPUs of its environment."""
    program = tmp_path / "program.py"
    program.write_text(code)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SLURM_", "CUDA_"))}
    return subprocess.Popen(
        [sys.executable, PROGRAM, str(count), program], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, env={**kept, "TMPDIR": str(tmp_path), **environment},
    )  # fmt: skip


SHOW = "import os; print(os.environ.get('CUDA_VISIBLE_DEVICES'), flush=True); input()"


def test_jobs_that_run_together_hold_different_gpus(tmp_path):
    running = [run(count, tmp_path, SHOW, CUDA_VISIBLE_DEVICES="0,1,2") for count in (1, 2)]
    held = [process.stdout.readline().strip().split(",") for process in running]
    assert [len(gpus) for gpus in held] == [1, 2]
    assert sorted(held[0] + held[1]) == ["0", "1", "2"]
    _, said = run(1, tmp_path, SHOW, CUDA_VISIBLE_DEVICES="0,1,2").communicate()
    assert said == (
        "program: error: other jobs hold 3 of 3 GPUs; tell Snakemake how many there are in total: --resources gpu=N\n"
    )
    running[1].kill()
    running[1].wait()
    again = run(1, tmp_path, SHOW, CUDA_VISIBLE_DEVICES="0,1,2")
    assert again.stdout.readline().strip() in held[1], "a killed job holds nothing"
    for process in (*running, again):
        process.kill()
        process.communicate()


@pytest.mark.parametrize(("count", "environment", "seen"), [
    (0, {"CUDA_VISIBLE_DEVICES": "0,1"}, "0,1"),
    (1, {"CUDA_VISIBLE_DEVICES": "2", "SLURM_JOB_ID": "7"}, "2"),
    (1, {"CUDA_VISIBLE_DEVICES": ""}, ""),
])  # fmt: skip
def test_jobs_without_gpus_or_with_those_of_slurm_run_unchanged(tmp_path, count, environment, seen):
    said, _ = run(count, tmp_path, SHOW, **environment).communicate("\n")
    assert said.strip() == seen


def test_more_gpus_than_there_are_is_an_error():
    with pytest.raises(FeynTuneError, match="needs 3 GPUs, and this machine has 1"):
        hold_gpus(3, ["0"])


def test_the_gpus_of_a_machine_are_its_devices(tmp_path, monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    for name in ("nvidia0", "nvidia10", "nvidia2", "nvidiactl", "nvidia-uvm"):
        (tmp_path / name).touch()
    assert visible_gpus(tmp_path) == ["0", "2", "10"]


def test_the_exit_code_is_the_programs_own(tmp_path):
    assert run(0, tmp_path, "raise SystemExit(75)").wait() == 75
