"""A table of devices: their peak rates, and the fraction of the peak that each stage reaches.

The peak rates are from the vendors' data sheets (dense bfloat16, without sparsity), or from what `snakemake check` has
measured on a GPU. The fractions are what is commonly reported for 4-bit models of billions of parameters; the measured
times of earlier jobs correct both.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from feyntune.core.programs import output_of

Phase = Literal["forward", "training"]
"""What a stage does with a model: forward passes, or forward and backward passes."""


@dataclass(frozen=True)
class Device:
    """A GPU, or cores of a CPU."""

    name: str
    operations: float
    """Peak rate in floating-point operations per second."""
    bandwidth: float
    """Memory bandwidth in bytes per second."""
    memory: float | None
    """Bytes; None for a CPU, whose jobs have the memory that they ask for."""
    training: float = 0.3
    """Fraction of the peak rate that training over 4-bit weights reaches."""
    forward: float = 0.4
    """Fraction of the peak rate that a forward pass reaches."""
    layer: float = 1.2e-3
    """Minimum seconds per token and block of a model: the time to launch its kernels."""
    start: float = 25
    """Seconds in which a program that needs torch starts."""

    def rate(self, phase: Phase) -> float:
        """Floating-point operations per second that a phase reaches."""
        return self.operations * (self.training if phase == "training" else self.forward)


def _gpu(name: str, teraflops: float, gigabytes_per_second: float, gigabytes: float) -> Device:
    return Device(name, teraflops * 1e12, gigabytes_per_second * 1e9, gigabytes * 2**30)


GPUS = (
    _gpu("A100 80GB", 312, 2039, 80),
    _gpu("A100", 312, 1555, 40),
    _gpu("H200", 989, 4800, 141),
    _gpu("H100 NVL", 835, 3900, 94),
    _gpu("H100 PCIe", 756, 2000, 80),
    _gpu("GH200", 989, 4000, 96),
    _gpu("H100", 989, 3350, 80),
    _gpu("B200", 2250, 8000, 180),
    _gpu("L40S", 362, 864, 48),
    _gpu("L40", 181, 864, 48),
    _gpu("L4", 121, 300, 24),
    _gpu("A6000", 155, 768, 48),
    _gpu("A40", 150, 696, 48),
    _gpu("A30", 165, 933, 24),
    _gpu("A10", 125, 600, 24),
    _gpu("V100 32GB", 125, 900, 32),
    _gpu("V100", 125, 900, 16),
    _gpu("T4", 65, 320, 16),
    _gpu("RTX 3090", 71, 936, 24),
    _gpu("RTX 4090", 165, 1008, 24),
    _gpu("RTX 5090", 210, 1792, 32),
)
DEFAULT = GPUS[1]
"""The A100 with 40 GB."""


def cpu(threads: int) -> Device:
    """A number of CPU cores, at the rates that one core reached on the embedded default in float32."""
    return Device("CPU", 25e9 * threads, 5e9 * threads, None, training=1, forward=1, layer=3e-4, start=6)


PRODUCT = 0.75
"""Fraction of a GPU's peak rate that a large matrix product in bfloat16 usually reaches."""
COPY = 0.85
"""Fraction of its memory bandwidth that a large copy usually reaches."""


def measured_gpu(rates: Mapping[str, Any]) -> Device | None:
    """The GPU that `snakemake check` has measured, with the peak rates that belong to its measured ones.

    Args:
        rates: ``check.compute.Rates`` as a dict: ``name``, ``operations``, ``bandwidth``, ``memory``.

    Returns:
        None for a CPU: its rate depends on what else runs there, so the table's stays.
    """
    if not rates["memory"]:
        return None
    known = find_gpu(rates["name"])
    name = known.name if known else rates["name"]
    return Device(name, rates["operations"] / PRODUCT, rates["bandwidth"] / COPY, rates["memory"])


def find_gpu(text: str) -> Device | None:
    """The GPU that a text such as ``ampere_a100`` or ``NVIDIA H100 80GB HBM3`` names; None if the table lacks it."""
    words = set(re.findall(r"[a-z]*\d+[a-z]*|[a-z]+", text.lower()))
    names = {gpu: gpu.name.lower() for gpu in GPUS}
    fitting = [gpu for gpu in GPUS if {*names[gpu].split()} <= words or names[gpu].replace(" ", "") in words]
    return max(fitting, key=lambda gpu: len(gpu.name), default=None)


def comparable_name(text: str) -> str:
    """The name under which measurements of a device are compared: a GPU's in the table, or ``CPU``, or the text."""
    gpu = find_gpu(text)
    return "CPU" if "CPU" in text else gpu.name if gpu else text


def local_gpu() -> str | None:
    """The name that `nvidia-smi` gives to the GPU of this machine; None without one."""
    text = output_of(["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"])
    return text.splitlines()[0] if text and text.strip() else None
