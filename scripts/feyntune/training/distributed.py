"""One training on several devices: as many processes of this program, started by torchrun's launcher in one job."""

import logging
import os
import sys

from feyntune.core.cli import terminal_for_children

STARTED = "FEYNTUNE_JOB_STARTED"


def rank():
    """The number of this process among those of one training."""
    return int(os.environ.get("RANK", 0))


def is_launched():
    """Whether this process is one of several that ``launch_processes`` has started."""
    return "LOCAL_RANK" in os.environ


def started(own):
    """``time.monotonic()`` when the job began: with this process, at ``own``, or with the one that launched it."""
    return float(os.environ[STARTED]) if is_launched() and STARTED in os.environ else own


def launch_processes(count, job_started):
    """Run this very command ``count`` times, side by side; return when all are done.

    Args:
        count: number of processes.
        job_started: ``time.monotonic()`` when the job began.

    Raises:
        SystemExit: one of them failed; with its exit code.
    """
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    logging.getLogger("torch.distributed.elastic").setLevel(logging.CRITICAL)  # what failed says so itself
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
