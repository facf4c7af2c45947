"""Data-parallel training in one job: processes of this program, one per GPU, started by torchrun's launcher."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, TypeVar

from feyntune.core.cli import terminal_for_children

if TYPE_CHECKING:
    import torch

Item = TypeVar("Item")
Result = TypeVar("Result")

REDUCED_AT_ONCE = 2**26
"""Numbers whose mean over the processes is computed at a time: 256 MiB, whatever is trained."""
STARTED = "FEYNTUNE_JOB_STARTED"


def rank() -> int:
    """The number of this process among those of one training."""
    return int(os.environ.get("RANK", 0))


def is_launched() -> bool:
    """Whether ``launch_processes`` has started this process."""
    return "LOCAL_RANK" in os.environ


def job_start(own: float) -> float:
    """``time.monotonic()`` when the job started: the launching process's, or ``own`` if there is only this one."""
    return float(os.environ[STARTED]) if is_launched() and STARTED in os.environ else own


def launch_processes(count: int, job_started: float) -> None:
    """Run this command in ``count`` parallel processes; return when all have finished.

    Args:
        count: number of processes.
        job_started: ``time.monotonic()`` when the job started.

    Raises:
        SystemExit: one of them failed; with its exit code.
    """
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    logging.getLogger("torch.distributed.elastic").setLevel(logging.CRITICAL)  # the failed process has reported it
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, len(os.sched_getaffinity(0)) // count)))
    os.environ[STARTED] = str(job_started)
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=count,
        run_id="training",
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        max_restarts=0,
        monitor_interval=0.5,
    )
    try:
        with terminal_for_children():
            elastic_launch(config, sys.executable)("-u", *sys.argv)
    except ChildFailedError as error:
        raise SystemExit(error.get_first_failure()[1].exitcode) from None
    except SignalException as error:
        raise SystemExit(128 + error.sigval) from None


def broadcast(values: list[Item]) -> list[Item]:
    """The values of the first process, in every process."""
    from accelerate import PartialState
    from accelerate.utils import broadcast_object_list

    return broadcast_object_list(list(values)) if PartialState().num_processes > 1 else values


def any_process(condition: bool) -> bool:
    """Whether a condition holds in any of the processes."""
    import torch
    from accelerate import PartialState

    if not is_launched():
        return condition
    flag = torch.tensor(int(condition), device=PartialState().device)
    torch.distributed.all_reduce(flag, op=torch.distributed.ReduceOp.MAX)
    return bool(flag.item())


def average_gradients(model: torch.nn.Module) -> None:
    """Replace the gradients of each process by their mean over the processes."""
    import torch

    if not is_launched():
        return
    for gradients in _in_parts([weight.grad for weight in model.parameters() if weight.grad is not None]):
        flat = torch.cat([gradient.flatten() for gradient in gradients]) / torch.distributed.get_world_size()
        torch.distributed.all_reduce(flat)
        for gradient, mean in zip(gradients, flat.split([each.numel() for each in gradients]), strict=True):
            gradient.copy_(mean.view_as(gradient))


def _in_parts(tensors: Sequence[torch.Tensor]) -> Iterator[list[torch.Tensor]]:
    """The tensors in order, in parts of about ``REDUCED_AT_ONCE`` numbers."""
    part: list[torch.Tensor] = []
    for tensor in tensors:
        part.append(tensor)
        if sum(each.numel() for each in part) >= REDUCED_AT_ONCE:
            yield part
            part = []
    if part:
        yield part


def gather(value: Item) -> list[Item]:
    """The values of all processes, in every process."""
    from accelerate.utils import gather_object

    return gather_object([value]) if is_launched() else [value]


def map_across_processes(
    function: Callable[[Item], Result], items: Sequence[Item], in_step: bool = False
) -> list[Result]:
    """Apply a function to each item, each process to its own part; every process gets all results, in order.

    Args:
        function: the function.
        items: its arguments.
        in_step: every process must call the function equally often, because it communicates; some repeat an item.
    """
    from accelerate import PartialState
    from accelerate.utils import gather_object

    processes, own = PartialState().num_processes, PartialState().process_index
    if processes == 1:
        return [function(item) for item in items]
    end = -(-len(items) // processes) * processes if in_step else len(items)
    done = [(number, function(items[min(number, len(items) - 1)])) for number in range(own, end, processes)]
    gathered = gather_object(done)
    return [result for number, result in sorted(gathered, key=lambda pair: pair[0]) if number < len(items)]
