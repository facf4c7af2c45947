"""Running out of memory, on a GPU or a CPU, as an error of one line with a remedy."""

from __future__ import annotations

import contextlib
import errno
import gc
from collections.abc import Iterator

from feyntune.core.errors import FeynTuneError

SIGNS = (
    "out of memory",  # CUDA, HIP and MPS, by torch's allocator or by a kernel ("CUDA error: out of memory")
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUSOLVER_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
    "cudaErrorMemoryAllocation",
    "can't allocate memory",  # torch's DefaultCPUAllocator
    "Cannot allocate memory",  # the operating system
    "std::bad_alloc",
)
"""Texts in the errors of libraries that ran out of memory."""


def is_out_of_memory(error: BaseException | None) -> bool:
    """Whether an error, or the one that caused it, says that memory was not sufficient, on a GPU or a CPU."""
    if error is None:
        return False
    if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
        return True
    # torch.OutOfMemoryError by its name: this module must not import torch; errors of kernels are RuntimeErrors
    if type(error).__name__ == "OutOfMemoryError":
        return True
    matches = isinstance(error, RuntimeError | OSError | ValueError) and any(sign in str(error) for sign in SIGNS)
    return matches or is_out_of_memory(error.__cause__)


@contextlib.contextmanager
def out_of_memory_remedy(work: str, remedy: str) -> Iterator[None]:
    """Turn every kind of out-of-memory error in the block into one line.

    Args:
        work: what needed the memory, such as ``loading the base model``.
        remedy: what the user can change.

    Raises:
        FeynTuneError: ``out of memory while {work}; {remedy}``.
    """
    try:
        yield
    except FeynTuneError:
        raise
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        raise FeynTuneError(f"out of memory while {work}; {remedy}") from error


def free_unused_memory() -> None:
    """Return memory to the GPU that torch holds and does not use."""
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
