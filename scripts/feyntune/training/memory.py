"""Out of memory: how it is recognised, and the error for a training that nothing smaller can save."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from feyntune.core.errors import FeynTuneError
from feyntune.models.memory import is_out_of_memory

if TYPE_CHECKING:
    from feyntune.config.schema.training import Training


@contextlib.contextmanager
def explain_out_of_memory(training: Training, tokens: int) -> Iterator[None]:
    """Turn running out of memory, on a GPU or a CPU, into an error that names the settings to change, in order.

    Args:
        training: training settings.
        tokens: tokens in the longest step, which is the first.
    """
    try:
        yield
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        per_device, checkpointing = training.per_device_batch_size, training.gradient_checkpointing
        raise FeynTuneError(
            f"out of memory in a step of up to {tokens} tokens;"
            f" set training.per_device_batch_size (now {per_device or training.batch_size}) lower,"
            f" gradient_checkpointing (now {str(checkpointing).lower()}) true,"
            f" or max_length (now {training.max_length or 'unset'}) lower"
        ) from error
