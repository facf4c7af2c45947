"""The process in vLLM's environment that ``vllm_streaming`` speaks to: one line of JSON for each step of a row."""

from __future__ import annotations

import contextlib
import json
import select
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, ClassVar

import torch
from safetensors.torch import load_file, save_file
from vllm.v1.sample.logits_processor import BatchUpdate, LogitsProcessor
from vllm.v1.sample.logits_processor.builtin import process_dict_updates

from feyntune.config.schema.generation import CompletionStage, Generation
from feyntune.core.errors import FeynTuneError, shorten
from feyntune.core.files import reason
from feyntune.core.gpus import pick_device
from feyntune.core.provenance import device_name
from feyntune.evaluation.generation.engine import Row
from feyntune.evaluation.generation.vllm_engine import (
    adapter_arguments,
    engine_arguments,
    sampling_parameters,
    start_engine,
)
from feyntune.evaluation.generation.vllm_sampling import RowSampler, sampler
from feyntune.models.tokens import load_config

if TYPE_CHECKING:
    from vllm import LLMEngine, SamplingParams
    from vllm.config import VllmConfig


@dataclass(frozen=True)
class WorkerJob:
    """The models of a worker."""

    base: Path
    adapters: Mapping[str, Path | None]
    """Folders of adapters by run; None for the base model alone."""
    stage: CompletionStage
    context: int
    """Tokens of the longest text, prompt and completion."""
    eos_ids: list[int]
    """Ids of the end tokens."""
    fraction: float = 1
    """The fraction of the memory that vLLM would reserve on a GPU alone; other processes have the rest."""


def read_job(line: str) -> WorkerJob:
    """The job that is described by a line of JSON."""
    given = json.loads(line)
    adapters = {run: Path(folder) if folder else None for run, folder in given["adapters"].items()}
    stage = CompletionStage.model_validate(given["stage"])
    return WorkerJob(Path(given["base"]), adapters, stage, given["context"], given["eos_ids"], given["fraction"])


def with_adapters_for_all(job: WorkerJob, empty: Path) -> WorkerJob:
    """A job in which each run has an adapter, or none has: base models get one that changes nothing.

    On CPUs, vLLM 0.32 applies some adapter to rows without one that stand in a batch with others.

    Args:
        job: the job.
        empty: an empty folder.
    """
    folders = [folder for folder in job.adapters.values() if folder]
    if not folders:
        return job
    weights = load_file(folders[0] / "adapter_model.safetensors")
    changes_nothing = {name: torch.zeros_like(each) if "lora_B" in name else each for name, each in weights.items()}
    save_file(changes_nothing, empty / "adapter_model.safetensors")
    shutil.copyfile(folders[0] / "adapter_config.json", empty / "adapter_config.json")
    return replace(job, adapters={run: folder or empty for run, folder in job.adapters.items()})


def work(requests: IO[str], answers: IO[str]) -> None:
    """Read a job, then one request after the other, until their end; answer each.

    Args:
        requests: lines of JSON, one at a time: the sender waits for the end of an answer, unless it stops it.
        answers: where lines of JSON go.
    """

    def answer(content: Mapping[str, Any]) -> None:
        answers.write(json.dumps(content) + "\n")
        answers.flush()

    def is_stopped() -> bool:
        return bool(select.select([requests], [], [], 0)[0]) and bool(requests.readline())

    with _faults(answer), tempfile.TemporaryDirectory() as folder:
        job = with_adapters_for_all(read_job(requests.readline()), Path(folder))
        engine = _start(job)
        answer({"device": device_name(pick_device())})
        for line in requests:
            for growth in _stream(engine, job, json.loads(line)["rows"], is_stopped):
                answer(growth)
            answer({"done": True})


@contextlib.contextmanager
def _faults(answer: Callable[[Mapping[str, Any]], None]) -> Iterator[None]:
    """Also answer an error that ends the block."""
    try:
        yield
    except Exception as error:
        text = f"vLLM cannot run it ({shorten(reason(error, 90), 90)}); take --engine transformers"
        answer({"error": str(error) if isinstance(error, FeynTuneError) else text})
        raise


def _start(job: WorkerJob) -> LLMEngine:
    folders = [folder for folder in job.adapters.values() if folder]  # of all runs, or there is none
    arguments = engine_arguments(
        job.base, load_config(job.base), job.stage, pick_device(), job.context, len(job.adapters)
    )
    if "gpu_memory_utilization" in arguments:
        arguments["gpu_memory_utilization"] *= job.fraction
    processor = type("Sampler", (EachRowSampler,), {"eos_ids": job.eos_ids})
    return start_engine(arguments | adapter_arguments(folders), processor)


def _stream(
    engine: LLMEngine, job: WorkerJob, asked: list[dict[str, Any]], is_stopped: Callable[[], bool]
) -> Iterator[dict[str, Any]]:
    """Complete rows; yields each row whenever it has grown."""
    rows = {each["run"]: Row(**each["row"]) for each in asked}
    for each in asked:
        _add(engine, job, each["run"], rows[each["run"]], each["settings"])
    while engine.has_unfinished_requests():
        if is_stopped():
            engine.abort_request(list(rows))
            return
        for output in engine.step():
            row = rows[output.request_id]
            row.new_ids.clear()
            row.append(output.outputs[0].token_ids, job.eos_ids)
            yield {"run": output.request_id, "new_ids": row.new_ids, "stopped": row.stopped}


def _add(engine: LLMEngine, job: WorkerJob, run: str, row: Row, settings: dict[str, Any]) -> None:
    from vllm.inputs import TokensPrompt
    from vllm.lora.request import LoRARequest

    folder = job.adapters[run]
    lora = LoRARequest(run, 1 + list(job.adapters).index(run), str(folder)) if folder else None
    parameters = sampling_parameters(row, job.eos_ids)
    parameters.extra_args = {**(parameters.extra_args or {}), "settings": settings}
    engine.add_request(run, TokensPrompt(prompt_token_ids=row.prompt), parameters, lora_request=lora)


class EachRowSampler(LogitsProcessor):
    """A ``RowSampler`` of its own for each row, because runs have different settings."""

    eos_ids: ClassVar[list[int]]

    def __init__(self, vllm_config: VllmConfig, device: torch.device, is_pin_memory: bool) -> None:
        self.config, self.device = vllm_config, device
        self.rows: dict[int, RowSampler] = {}

    def is_argmax_invariant(self) -> bool:
        """It changes which token is the most likely one."""
        return False

    def update_state(self, batch_update: BatchUpdate | None) -> None:
        """Follow the requests' places in the batch."""
        process_dict_updates(self.rows, batch_update, self._row)

    def apply(self, logits: torch.Tensor) -> torch.Tensor:
        """Change float32 logits (rows x vocabulary) so that the most likely token of each row is a sample."""
        return torch.cat([self.rows[place].apply(logits[place : place + 1]) for place in range(len(logits))])

    def _row(self, parameters: SamplingParams, prompt: list[int] | None, new: list[int]) -> RowSampler:
        settings = Generation.model_validate((parameters.extra_args or {})["settings"])
        row = sampler(settings, self.eos_ids)(self.config, self.device, False)
        row.update_state(BatchUpdate(batch_size=1, removed=[], added=[(0, parameters, prompt, new)], moved=[]))
        return row
