"""Jobs that run at the same time on one machine: each on GPUs of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from feyntune.core import gpus
from feyntune.core.errors import FeynTuneError
from feyntune.core.gpus import hold_gpus, visible_gpus

PROGRAM = Path(__file__).resolve().parents[2] / "scripts/on_gpus.py"


def run(count, tmp_path, code, **environment):
    """Start ``on_gpus.py`` with a program of one line, on a machine that has only the GPUs of its environment."""
    program = tmp_path / "program.py"
    program.write_text(code)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SLURM_", "CUDA_", "PYTORCH_"))}
    return subprocess.Popen(
        [sys.executable, PROGRAM, str(count), program], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, env={**kept, "TMPDIR": str(tmp_path), **environment},
    )  # fmt: skip


SHOW = "import os; print(os.environ.get('CUDA_VISIBLE_DEVICES'), flush=True); input()"


def test_jobs_that_run_together_hold_different_gpus(tmp_path):
    running = [run(count, tmp_path, SHOW, CUDA_VISIBLE_DEVICES="0,1,2") for count in (1, 2)]
    held = [process.stdout.readline().strip().split(",") for process in running]
    assert [len(names) for names in held] == [1, 2]
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
    (0, {"CUDA_VISIBLE_DEVICES": "0,1"}, ""),
    (1, {"CUDA_VISIBLE_DEVICES": "2", "SLURM_JOB_ID": "7"}, "2"),
    (1, {"CUDA_VISIBLE_DEVICES": "2, 0", "SLURM_JOB_ID": "7"}, "2"),
    (1, {"CUDA_VISIBLE_DEVICES": "GPU-8a1f,GPU-1b"}, "GPU-8a1f"),
    (1, {"CUDA_VISIBLE_DEVICES": ""}, ""),
    (1, {"CUDA_VISIBLE_DEVICES": "NoDevFiles"}, "NoDevFiles"),
])  # fmt: skip
def test_a_job_sees_as_many_gpus_as_it_requests(tmp_path, count, environment, seen):
    said, _ = run(count, tmp_path, SHOW, **environment).communicate("\n")
    assert said.strip() == seen


def test_jobs_inside_one_slurm_allocation_share_its_gpus_out(tmp_path):
    allocation = {"CUDA_VISIBLE_DEVICES": "0,1,2", "SLURM_JOB_ID": "7"}
    running = [run(1, tmp_path, SHOW, **allocation) for _ in range(3)]
    assert sorted(process.stdout.readline().strip() for process in running) == ["0", "1", "2"]
    other = run(1, tmp_path, SHOW, **{**allocation, "SLURM_JOB_ID": "8"})
    assert other.stdout.readline().strip() == "0", "indices of another allocation are other GPUs"
    for process in (*running, other):
        process.kill()
        process.communicate()


@pytest.mark.parametrize(("count", "given", "expected"), [
    (1, {}, ("1", "expandable_segments:True")),
    (2, {"PYTORCH_ALLOC_CONF": "x:1"}, ("2", "x:1")),
    (1, {"PYTORCH_CUDA_ALLOC_CONF": "x:1"}, ("1", "None")),
    (0, {}, ("0", "None")),
])  # fmt: skip
def test_a_program_learns_its_number_of_gpus_and_how_to_allocate(tmp_path, count, given, expected):
    code = "import os; print(*(os.environ.get(name) for name in ('FEYNTUNE_GPUS', 'PYTORCH_ALLOC_CONF')))"
    said, _ = run(count, tmp_path, code, CUDA_VISIBLE_DEVICES="0,1", **given).communicate()
    assert tuple(said.split()) == expected


def test_more_gpus_than_there_are_is_an_error():
    with pytest.raises(FeynTuneError, match="needs 3 GPUs, and this machine has 1"):
        hold_gpus(3, ["0"])


@pytest.fixture
def nvidia_smi(tmp_path, monkeypatch):
    """A function that makes nvidia-smi print a text, or fail; without it, there is none."""
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")

    def make(body):
        (tmp_path / "bin/nvidia-smi").write_text(f"#!/bin/sh\n{body}\n")
        (tmp_path / "bin/nvidia-smi").chmod(0o755)

    return make


def test_gpus_count_from_zero_whatever_their_device_files_are_called(tmp_path, monkeypatch, nvidia_smi):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    for name in ("nvidia3", "nvidia10", "nvidia2", "nvidiactl", "nvidia-uvm"):
        (tmp_path / name).touch()
    assert visible_gpus(tmp_path) == ["0", "1", "2"]
    nvidia_smi("exit 9")
    assert visible_gpus(tmp_path) == ["0", "1", "2"]
    nvidia_smi("echo 'GPU 0: NVIDIA A100 (UUID: GPU-1)'; echo '  MIG 1g.5gb Device 0: (UUID: MIG-1)'")
    assert visible_gpus(tmp_path) == ["0"]


SMI = "echo '| NVIDIA-SMI 535.104.05  Driver Version: 535.104.05   CUDA Version: 12.2  |'"


@pytest.fixture
def cuda(monkeypatch):
    """A function that pretends that torch sees so many GPUs, or fails to start CUDA."""
    import torch

    gpus._require_gpus.cache_clear()
    monkeypatch.delenv("LOCAL_RANK", raising=False)

    def pretend(count, error=None):
        def init():
            if error:
                raise error

        monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
        monkeypatch.setattr(torch.cuda, "init", init)
        monkeypatch.setattr(torch, "ones", lambda *_, device: torch.zeros(1))

    yield pretend
    gpus._require_gpus.cache_clear()


@pytest.mark.parametrize(("requested", "count", "rank", "device"), [
    (None, 0, None, "cpu"), (None, 2, None, "cuda:0"), ("0", 2, None, "cpu"), ("1", 1, None, "cuda:0"),
    ("2", 2, "1", "cuda:1"), ("2", 2, None, "cuda:0"),
])  # fmt: skip
def test_a_process_computes_where_its_job_has_requested(cuda, monkeypatch, requested, count, rank, device):
    cuda(count)
    for name, value in (("FEYNTUNE_GPUS", requested), ("LOCAL_RANK", rank)):
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value)
    assert str(gpus.pick_device()) == device


OLD_DRIVER = "The NVIDIA driver on your system is too old (found version 12020). Please update your GPU driver"


@pytest.mark.parametrize(("count", "built", "error", "smi", "said"), [
    (0, None, AssertionError("Torch not compiled with CUDA enabled"), None,
     ("needs 1 GPU: Torch not compiled with CUDA enabled", "no answer of nvidia-smi", "make setup TORCH=auto, or")),
    (0, "13.0", RuntimeError(OLD_DRIVER), SMI,
     ("The NVIDIA driver on your system is too old (found version 12020)", "torch for CUDA 13.0",
      "driver 535.104.05 with CUDA 12.2", "make setup TORCH=cu126")),
    (0, "13.0", None, "exit 1", ("torch sees 0", "no answer of nvidia-smi")),
])  # fmt: skip
def test_requested_gpus_that_cannot_be_used_are_an_error(cuda, nvidia_smi, monkeypatch, count, built, error, smi, said):
    cuda(count, error)
    monkeypatch.setattr("torch.version.cuda", built)
    if smi:
        nvidia_smi(smi)
    monkeypatch.setenv("FEYNTUNE_GPUS", "1")
    with pytest.raises(FeynTuneError) as caught:
        gpus.pick_device()
    message = str(caught.value)
    assert all(text in message for text in (*said, "or gpu: 0 in resources.train, complete,"))
    assert len(message) <= 240 and "\n" not in message


def test_a_gpu_that_fails_at_its_first_computation_is_an_error(cuda, nvidia_smi, monkeypatch):
    import torch

    def fail(*_, **__):
        raise RuntimeError("CUDA error: no kernel image is available for execution on the device\nmore")

    cuda(1)
    monkeypatch.setattr(torch, "ones", fail)
    monkeypatch.setenv("FEYNTUNE_GPUS", "1")
    with pytest.raises(FeynTuneError, match="needs 1 GPU: CUDA error: no kernel image is available for execution"):
        gpus.pick_device()


def test_two_gpus_of_which_one_is_seen_are_an_error(cuda, nvidia_smi, monkeypatch):
    cuda(1)
    monkeypatch.setenv("FEYNTUNE_GPUS", "2")
    with pytest.raises(FeynTuneError, match="needs 2 GPUs: torch sees 1"):
        gpus.pick_device()


def test_the_exit_code_is_the_programs_own(tmp_path):
    assert run(0, tmp_path, "raise SystemExit(75)").wait() == 75
