"""How long the parts of a training take, over all the jobs that it takes."""

import contextlib
import time
from pathlib import Path

from feyntune.core.files import read_json, write_json

FILE = "meter.json"


class Meter:
    """Seconds since ``start``, those of them that evaluations and checkpoints took, and tokens computed on.

    What was measured travels with the checkpoints, so that a training in several jobs is measured as one.
    """

    def __init__(self):
        self.seconds = {"all": 0.0, "evaluation": 0.0, "checkpoints": 0.0}
        self.computed = 0
        self.last = time.monotonic()

    def start(self, checkpoint=None):
        """Begin to measure; on from what a checkpoint says, if there is one."""
        if checkpoint:
            saved = read_json(Path(checkpoint) / FILE)
            self.seconds, self.computed = saved["seconds"], saved["computed"]
        self.last = time.monotonic()

    @contextlib.contextmanager
    def part(self, name):
        """Count the block as ``evaluation`` or ``checkpoints``."""
        begin = time.monotonic()
        yield
        self.seconds[name] += time.monotonic() - begin

    def stop(self):
        """Count the time until now, and return the seconds of each part."""
        now = time.monotonic()
        self.seconds["all"] += now - self.last
        self.last = now
        return self.seconds

    def save(self, checkpoint):
        """Write down what was measured so far."""
        write_json(Path(checkpoint) / FILE, {"seconds": self.stop(), "computed": self.computed})

    def summary(self, tokens):
        """What ``run.json`` tells.

        Args:
            tokens: number of real tokens that were trained on.
        """
        seconds = self.stop()
        steps = seconds["all"] - seconds["evaluation"] - seconds["checkpoints"]
        return {
            "seconds": round(seconds["all"], 1),
            "evaluation_share": round(seconds["evaluation"] / seconds["all"], 4),
            "checkpoints_share": round(seconds["checkpoints"] / seconds["all"], 4),
            "tokens_per_second": round(tokens / steps),
            "padding_share": round(1 - tokens / self.computed, 4),
            "peak_memory_mb": peak_memory_mb(),
        }


def peak_memory_mb():
    """Most memory that was in use: of the GPU if there is one, else of this process."""
    import resource

    import torch

    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() // 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 2**10
