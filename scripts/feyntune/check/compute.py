"""Checks of the machine where jobs run: the GPU, its numerics and its speed, the environment of a job."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from feyntune.check.findings import Finding, State
from feyntune.config.schema.check import CheckStage
from feyntune.core.programs import output_of
from feyntune.core.secrets import HUB, WANDB

if TYPE_CHECKING:
    import torch

REPETITIONS = 5
QUERY = ["nvidia-smi", "--query-gpu=name,driver_version,memory.total,memory.used", "--format=csv,noheader"]


@dataclass(frozen=True)
class Rates:
    """What a device was measured to do."""

    name: str
    """The device's own name."""
    operations: float
    """Floating-point operations per second in a bfloat16 (on a CPU: float32) matrix product."""
    bandwidth: float
    """Bytes per second between the device and its memory (read and written)."""
    memory: float | None
    """Bytes of GPU memory; None for a CPU."""


def compute_findings(stage: CheckStage) -> tuple[list[Finding], dict[str, object]]:
    """All checks of the compute node, and the measured ``Rates`` as a dict.

    Args:
        stage: what the configuration needs; ``gpu`` above 0 demands a usable GPU.
    """
    import torch

    visible = gpu_finding(stage)
    device = torch.device("cuda" if visible.state == "pass" else "cpu")
    findings = [driver_finding(stage), visible, *environment_findings(stage)]
    checks: list[tuple[str, Callable[[], Finding]]] = [
        ("GPU memory", lambda: memory_finding(device)),
        (f"{stage.quantization} on {device.type}", lambda: quantization_finding(device, stage.quantization)),
        ("attention", lambda: attention_finding(device, stage.attention)),
    ]
    findings += [guarded(name, check) for name, check in checks]
    rates = measured_rates(device)
    findings.append(
        Finding("speed", "pass", f"{rates.operations / 1e12:.2f} TFLOP/s, {rates.bandwidth / 1e9:.0f} GB/s")
    )
    return findings, asdict(rates)


def guarded(name: str, check: Callable[[], Finding]) -> Finding:
    """The finding of a check; an exception of the library that is checked is a failed check."""
    try:
        return check()
    except Exception as error:  # the fault of a driver or a library is what this check looks for
        reason = f"{type(error).__name__}: {error}".splitlines()[0][:160]
        return Finding(name, "fail", reason, "see config/MEMORY.md and the driver's version above")


def driver_finding(stage: CheckStage) -> Finding:
    """The driver's version, and the CUDA version that torch was built for."""
    import torch

    text = output_of(QUERY) if shutil.which("nvidia-smi") else None
    built = f"torch {torch.__version__} for {f'CUDA {torch.version.cuda}' if torch.version.cuda else 'CPUs'}"
    if not text:
        detail = f"nvidia-smi does not answer; {built}"
        if not stage.gpu:
            return Finding("driver", "skip", detail)
        return Finding("driver", "fail", detail, "run this job on a node with GPUs (profile, resources.*.gpu)")
    driver = text.splitlines()[0].split(",")[1].strip()
    return Finding("driver", "pass", f"driver {driver}; {built}")


def gpu_finding(stage: CheckStage) -> Finding:
    """Whether torch sees a GPU, where the configuration asks for one."""
    import torch

    if torch.cuda.is_available():
        names = [torch.cuda.get_device_name(place) for place in range(torch.cuda.device_count())]
        return Finding("GPU", "pass", ", ".join(names))
    if not stage.gpu:
        return Finding("GPU", "skip", "none, and the configuration asks for none")
    remedy = "use a torch for this driver (make setup TORCH=cu126), or a newer driver; `gpu: 0` runs on the CPU"
    return Finding("GPU", "fail", f"torch {torch.__version__} sees no GPU", remedy)


def environment_findings(stage: CheckStage) -> list[Finding]:
    """Whether a job stays offline, and has no secret that it does not need."""
    return [_offline_finding(), _secrets_finding(stage)]


def _offline_finding() -> Finding:
    if os.environ.get("HF_HUB_OFFLINE") == "1":
        return Finding("offline", "pass", "HF_HUB_OFFLINE=1")
    return Finding("offline", "warn", "HF_HUB_OFFLINE is not 1", "start this check by Snakemake, which sets it")


def _secrets_finding(stage: CheckStage) -> Finding:
    needed = WANDB if stage.wandb_online else ()
    found = ", ".join(name for name in (*HUB, *WANDB) if name in os.environ and name not in needed)
    if not found:
        return Finding("secrets", "pass", "none in the environment")
    if "SLURM_JOB_ID" in os.environ:
        return Finding("secrets", "fail", f"{found} reached this job", "use executor: slurm-guarded in the profile")
    return Finding("secrets", "pass", f"{found}, on this machine only")


def memory_finding(device: torch.device) -> Finding:
    """Free memory of the GPU."""
    import torch

    if device.type != "cuda":
        return Finding("GPU memory", "skip", "no GPU")
    free, total = torch.cuda.mem_get_info(device)
    state: State = "pass" if free > 0.9 * total else "warn"
    detail = f"{free / 2**30:.1f} of {total / 2**30:.1f} GiB free"
    return Finding("GPU memory", state, detail, "" if state == "pass" else "another process uses this GPU")


def quantization_finding(device: torch.device, method: str) -> Finding:
    """A quantised linear layer, forward and backward, against the same weights multiplied on the CPU in fp32."""
    import torch

    name = f"{method} on {device.type}"
    if method not in ("nf4", "fp4"):
        return Finding(name, "skip", "the configuration does not quantise to 4 bits")
    import bitsandbytes
    from bitsandbytes.functional import dequantize_4bit, quantize_4bit

    generator = torch.Generator().manual_seed(0)
    weight, values = (torch.randn(size, generator=generator) for size in ((256, 512), (8, 512)))
    packed, state = quantize_4bit(weight, compress_statistics=True, quant_type=method)
    exact = dequantize_4bit(packed, state).float()
    layer = bitsandbytes.nn.Linear4bit(512, 256, bias=False, compute_dtype=torch.float32, quant_type=method)
    layer.weight = bitsandbytes.nn.Params4bit(weight, requires_grad=False, quant_type=method, compress_statistics=True)
    layer = layer.to(device)
    inputs = values.to(device).requires_grad_()
    outputs = layer(inputs)
    outputs.square().sum().backward()
    assert inputs.grad is not None
    worst = max(
        relative_error(outputs.detach().cpu(), values @ exact.T),
        relative_error(inputs.grad.cpu(), 2 * (values @ exact.T) @ exact),
    )
    return _accuracy(name, worst, 2e-3)


def attention_finding(device: torch.device, wanted: str) -> Finding:
    """Causal attention by sdpa and, where it is installed, by flash attention, against the definition in fp32."""
    import torch
    from torch.nn.functional import scaled_dot_product_attention
    from transformers.utils import is_flash_attn_2_available

    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    generator = torch.Generator().manual_seed(0)
    parts = [torch.randn(1, 4, 96, 64, generator=generator).to(dtype) for _ in range(3)]
    exact = eager_attention(*(part.float() for part in parts))
    query, key, value = (part.to(device) for part in parts)
    worst = relative_error(scaled_dot_product_attention(query, key, value, is_causal=True).float().cpu(), exact)
    if device.type == "cuda" and is_flash_attn_2_available():
        from flash_attn import flash_attn_func  # pyright: ignore[reportMissingImports]

        flat = [part.transpose(1, 2) for part in (query, key, value)]
        flash = flash_attn_func(*flat, causal=True).transpose(1, 2)
        return _accuracy("sdpa and flash attention", max(worst, relative_error(flash.float().cpu(), exact)), 2e-2)
    if wanted == "flash_attention_2":
        return Finding("attention", "fail", "flash_attn is not usable here", "set precision.attention: auto or sdpa")
    return _accuracy("sdpa", worst, 2e-2)


def eager_attention(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    """Causal attention by its definition.

    Args:
        query, key, value: rows × heads × positions × size.
    """
    import torch

    logits = query @ key.transpose(-1, -2) / query.shape[-1] ** 0.5
    future = torch.ones_like(logits, dtype=torch.bool).triu(1)
    return logits.masked_fill(future, -torch.inf).softmax(-1) @ value


def relative_error(found: torch.Tensor, exact: torch.Tensor) -> float:
    """Norm of the difference of two tensors over the norm of the second."""
    return float((found - exact).norm() / exact.norm())


def _accuracy(name: str, error: float, limit: float) -> Finding:
    detail = f"relative error {error:.1e} against fp32 on the CPU"
    if not error <= limit:  # also where it is not a number
        return Finding(name, "fail", f"{detail}, {limit:.0e} allowed", "update the driver, torch or bitsandbytes")
    return Finding(name, "pass", detail)


def measured_rates(device: torch.device) -> Rates:
    """Measure the device's matrix products and its memory; a second on a GPU, a few seconds on a CPU."""
    import torch

    from feyntune.core.provenance import device_name

    on_gpu = device.type == "cuda"
    size, dtype = (8192, torch.bfloat16) if on_gpu else (1024, torch.float32)
    left, right = (torch.randn(size, size, device=device, dtype=dtype) for _ in range(2))
    values = torch.ones(2**28 if on_gpu else 2**24, device=device)
    target = torch.empty_like(values)
    product, copy = _fastest(lambda: left @ right, device), _fastest(lambda: target.copy_(values), device)
    memory = float(torch.cuda.get_device_properties(device).total_memory) if on_gpu else None
    return Rates(device_name(device), 2 * size**3 / product, 2 * values.numel() * 4 / copy, memory)


def _fastest(work: Callable[[], object], device: torch.device) -> float:
    """Seconds of the fastest of some repetitions, after one that is not counted."""
    import torch

    def seconds() -> float:
        start = time.perf_counter()
        work()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        return time.perf_counter() - start

    seconds()
    return min(seconds() for _ in range(REPETITIONS))
