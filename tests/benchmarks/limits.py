"""What this machine could do at most: operations a second in a large matrix product, and bytes a second from memory."""

import statistics
from dataclasses import dataclass

from benchmarks.material import device, dtype


@dataclass(frozen=True)
class Limits:
    """Measured limits."""

    name: str
    """Of the device."""
    flops: float
    """Floating point operations a second."""
    bandwidth: float
    """Bytes a second."""

    def seconds(self, case):
        """The least time that a case's operations and bytes take; None if it does not say what it needs."""
        if case.flops is None:
            return None
        return max(case.flops / self.flops, (case.moved or 0) / self.bandwidth)


def measure_limits():
    """Measure this machine's, in the number format that the benchmarks use on it."""
    from feyntune.core.provenance import device_name

    return Limits(device_name(device()), _flops(), _bandwidth())


def _flops():
    import torch

    size = 8192 if device().type == "cuda" else 2048
    left, right = (torch.randn(size, size, device=device(), dtype=dtype()) for _ in range(2))
    return 2 * size**3 / _median_seconds(lambda: left @ right)


def _bandwidth():
    import torch

    values = torch.ones(2**28 if device().type == "cuda" else 2**26, device=device())
    target = torch.empty_like(values)
    return 2 * values.numel() * 4 / _median_seconds(lambda: target.copy_(values))


def _median_seconds(run, repetitions=7):
    from benchmarks.comparison import timed

    run()
    return statistics.median(timed(run)[0] for _ in range(repetitions))
