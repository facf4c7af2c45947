"""Checks of the compute node, on the CPU and with a pretended GPU."""

import pytest
import torch

from feyntune.check import compute
from support.check_stage import check_stage

CPU = torch.device("cpu")


def test_everything_passes_or_is_skipped_on_a_cpu(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    for name in ("HF_TOKEN", "HUGGINGFACE_API_KEY", "WANDB_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    findings, rates = compute.compute_findings(check_stage())
    assert {finding.state for finding in findings} <= {"pass", "skip"}, findings
    assert rates["operations"] > 1e9 and rates["bandwidth"] > 1e8 and rates["memory"] is None


def test_a_configuration_that_needs_a_gpu_fails_without_one():
    found = compute.gpu_finding(check_stage(gpu=1))
    assert found.state == "fail" and "sees no GPU" in found.detail and "TORCH=cu126" in found.remedy
    assert compute.driver_finding(check_stage(gpu=1)).state == "fail"


def test_the_driver_is_named(monkeypatch):
    monkeypatch.setattr(compute.shutil, "which", lambda name: name)
    monkeypatch.setattr(compute, "output_of", lambda command: "NVIDIA A100, 550.54.15, 40960 MiB, 3 MiB\n")
    assert "driver 550.54.15" in compute.driver_finding(check_stage(gpu=1)).detail


@pytest.mark.parametrize("method", ["nf4", "fp4"])
def test_a_quantised_layer_is_compared_with_its_definition(method):
    assert compute.quantization_finding(CPU, method).state == "pass"


def test_a_quantised_layer_that_computes_something_else_fails(monkeypatch):
    import bitsandbytes

    forward = bitsandbytes.nn.Linear4bit.forward
    monkeypatch.setattr(bitsandbytes.nn.Linear4bit, "forward", lambda self, x: 1.01 * forward(self, x))
    assert compute.quantization_finding(CPU, "nf4").state == "fail"


def test_attention_is_compared_with_its_definition(monkeypatch):
    assert compute.attention_finding(CPU, "auto").state == "pass"
    monkeypatch.setattr(torch.nn.functional, "scaled_dot_product_attention", lambda q, k, v, **_: v)
    assert compute.attention_finding(CPU, "auto").state == "fail"


def test_flash_attention_that_is_demanded_and_missing_fails():
    assert compute.attention_finding(CPU, "flash_attention_2").state == "fail"


def test_a_library_that_raises_is_a_failed_check():
    def broken():
        raise RuntimeError("CUDA error: no kernel image is available\nmore lines")

    found = compute.guarded("attention", broken)
    assert (found.state, found.detail) == ("fail", "RuntimeError: CUDA error: no kernel image is available")


def test_a_secret_in_a_slurm_job_fails(monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    states = {finding.name: finding for finding in compute.environment_findings(check_stage())}
    assert states["secrets"].state == "pass"
    monkeypatch.setenv("SLURM_JOB_ID", "1")
    states = {finding.name: finding for finding in compute.environment_findings(check_stage())}
    assert states["secrets"].state == "fail" and "hf_secret" not in states["secrets"].detail
