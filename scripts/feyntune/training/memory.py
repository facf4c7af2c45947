"""What to do when memory does not suffice, said where it fails."""

import contextlib

from feyntune.core.errors import FeynTuneError


@contextlib.contextmanager
def remedy(training, tokens):
    """Turn running out of memory, on a GPU or not, into an error that names the settings to change, in order.

    Args:
        training: ``settings.training.Training``.
        tokens: tokens in the longest step, which is the first.
    """
    import torch

    try:
        yield
    except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
        if not _is_memory(error):
            raise
        fault = str(error).splitlines()[0][:120]
        per_device = training.per_device_batch_size or training.batch_size
        raise FeynTuneError(
            f"out of memory ({fault}); the longest step, which comes first, has {tokens} tokens."
            f" Change, in this order: training.per_device_batch_size (now {per_device}: halve it, the result stays);"
            f" training.gradient_checkpointing (now {str(training.gradient_checkpointing).lower()}: true takes a third"
            f" more time, the result stays); training.max_length (now {training.max_length or 'that of the model'}:"
            " lower it, with too_long: truncate or drop)"
        ) from error


def _is_memory(error):
    import torch

    return isinstance(error, torch.OutOfMemoryError | MemoryError) or "can't allocate memory" in str(error)
