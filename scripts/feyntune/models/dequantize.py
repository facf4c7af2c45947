"""Base models as ordinary folders with the numbers that training multiplies with, at two or four bytes per weight.

bitsandbytes dequantises 4-bit weights at every use. Dequantised once, they save that time, adapters can be merged into
them, and programs without bitsandbytes can load them.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from feyntune.config.schema.models import Precision, Quantization
from feyntune.core.files import folder_written_whole, write_json
from feyntune.core.integrity import DEQUANTISED, files_record
from feyntune.models.load import load_adapter, load_base
from feyntune.models.memory import out_of_memory_remedy
from feyntune.models.tokens import load_tokens, settings_files

if TYPE_CHECKING:
    from transformers import PreTrainedModel

DIGESTS = DEQUANTISED
"""SHA-256 of each file. Other weights change the content of this file, so that jobs can depend on it."""
SHARD_SIZE = "2GB"
"""Size of the files, so that host memory need not hold all weights of a model on a GPU."""
REMEDY = "set evaluation.weights: quantised, use a GPU with more memory, or on a CPU raise resources.complete.mem_mb"


@dataclass(frozen=True)
class DequantizeJob:
    """Write the dequantised weights of a base model, optionally with an adapter merged into them."""

    quantization: Quantization
    """Storage of the weights in training."""
    precision: Precision
    """Its ``dtype`` is the number format of the computation and of the dequantised weights."""
    base: Path
    """Folder of the base model."""
    adapter: Path | None
    """Folder of a PEFT adapter to merge; None for the base model alone."""
    base_names: Sequence[str]
    """Names that the adapter may have for this base model."""
    output: Path
    """Folder to write."""


def run(job: DequantizeJob) -> None:
    """Load the base model as training does, dequantise it, and write it with its tokenizer.

    Raises:
        FeynTuneError: the model cannot be loaded, or memory is not sufficient.
    """
    load_tokens(job.base)  # its files are copied: damaged ones are refused
    with out_of_memory_remedy("dequantising the base model", REMEDY):
        _write(job, _dequantised(job))


def _dequantised(job: DequantizeJob) -> PreTrainedModel:
    model = load_base(job.base, job.quantization, job.precision)
    if job.quantization.method != "none":
        model = model.dequantize()
    if job.adapter:
        model = load_adapter(model, job.adapter, job.base_names).merge_and_unload()
    return model


def _write(job: DequantizeJob, model: PreTrainedModel) -> None:
    for old in job.output.glob("*.safetensors"):
        old.unlink()
    with folder_written_whole(job.output) as aside:
        model.save_pretrained(aside, max_shard_size=SHARD_SIZE)
        for path in settings_files(job.base):
            if not (aside / path.name).exists():
                shutil.copyfile(path, aside / path.name)
        for path in aside.glob("*.safetensors"):
            shutil.copymode(aside / "config.json", path)  # the library lets only their owner read them
        write_json(aside / DIGESTS, files_record(aside))
