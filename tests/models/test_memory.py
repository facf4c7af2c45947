"""Every kind of out-of-memory error is recognised, and nothing else is."""

import errno

import pytest
import torch

from feyntune.core.errors import FeynTuneError
from feyntune.models.memory import is_out_of_memory, out_of_memory_remedy


def caused(outer, inner):
    outer.__cause__ = inner
    return outer


def allocated_by_torch():
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**60)
    return caught.value


OUT_OF_MEMORY = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB"),
    RuntimeError("CUDA error: out of memory\nCUDA kernel errors might be asynchronously reported"),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    RuntimeError("[enforce fail at alloc_cpu.cpp:124] err == 0. DefaultCPUAllocator: can't allocate memory"),
    RuntimeError("std::bad_alloc"),
    MemoryError(),
    OSError(errno.ENOMEM, "Cannot allocate memory"),
    caused(RuntimeError("loading failed"), MemoryError()),
]
OTHERS = [
    RuntimeError("mat1 and mat2 shapes cannot be multiplied"),
    OSError(errno.ENOSPC, "No space left on device"),
    KeyError("out of memory"),
    ValueError("wrong"),
]


@pytest.mark.parametrize("error", OUT_OF_MEMORY, ids=repr)
def test_it_is_recognised_and_becomes_one_line(error):
    assert is_out_of_memory(error)
    with pytest.raises(FeynTuneError) as caught, out_of_memory_remedy("loading", "use less"):
        raise error
    assert str(caught.value) == "out of memory while loading; use less"


def test_so_is_the_error_of_torchs_own_allocator():
    assert is_out_of_memory(allocated_by_torch())


@pytest.mark.parametrize("error", OTHERS, ids=repr)
def test_other_errors_stay_as_they_are(error):
    assert not is_out_of_memory(error)
    with pytest.raises(type(error)) as caught, out_of_memory_remedy("loading", "use less"):
        raise error
    assert caught.value is error


def test_errors_with_a_remedy_of_their_own_and_interruptions_pass():
    with pytest.raises(FeynTuneError, match="first"), out_of_memory_remedy("loading", "use less"):
        raise FeynTuneError("first") from MemoryError()
    with pytest.raises(KeyboardInterrupt), out_of_memory_remedy("loading", "use less"):
        raise KeyboardInterrupt
