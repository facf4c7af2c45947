"""The engines side by side on the same prompts: the built-in one, vLLM, and transformers' continuous batching.

On a CPU each has one thread. Before anything is timed, greedy and sampled texts must be equal between the engines up to
rounding; a part of the prompts by itself must give the built-in engine the very same texts. Texts stop after 20 to
1,024 tokens, as those of ``completions``.
"""

from __future__ import annotations

import contextlib
import copy
import functools
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch

from benchmarks.comparison import OURS, REFERENCE, Benchmark, Case
from benchmarks.completions import MOST, limits, prompts, rows_of, stopping_model
from benchmarks.material import EOS, device, dtype, parameters
from benchmarks.workers import Worker

Texts = list[list[int]]

PROMPTS_PER_ROW = 4
LEAST = 20
"""New tokens of sampled texts before they may stop; greedy texts have no such limit, which only our sampler knows."""
CHECKED = 40
"""New tokens of the greedy texts that are compared."""
NAMES = {REFERENCE: "vLLM", OURS: "built-in", "generate_batch": "generate_batch"}


def prepare(rows: int, count: int, folder: Path) -> Case:
    """The case of ``count`` prompts with so many rows at once; without vLLM's environment, it is left out."""
    sequences = prompts(count)
    given = {OURS: built_in(rows), "generate_batch": functools.partial(continuous, rows)}
    worker = start_vllm(rows, folder)
    if worker:
        given[REFERENCE] = worker
    ways = {way: functools.partial(_one_thread, run, sequences, 1.0, MOST) for way, run in given.items()}
    said = _check_greedy(given, sequences[: 2 * rows])
    sampled = given[OURS](sequences, 1.0, MOST)
    part = given[OURS](sequences[: rows // 2], 1.0, MOST)
    assert part == sampled[: rows // 2], "the texts of a part of the prompts differ"
    print(f"engines, {rows} rows: {said}", file=sys.stderr, flush=True)
    new = sum(map(len, sampled))
    weights = parameters() * dtype().itemsize
    processes = (worker.process.pid,) if worker else ()
    return Case(new, ways, 2 * parameters() * new, weights * new / rows, processes)


def _one_thread(run: Callable[..., Texts], *arguments: Any) -> Texts:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return run(*arguments)
    finally:
        torch.set_num_threads(threads)


def _check_greedy(engines: dict[str, Callable[..., Texts]], sequences: Texts) -> str:
    found = {way: run(sequences, 0.0, CHECKED) for way, run in engines.items()}
    same = {
        NAMES[way]: sum(one == other for one, other in zip(found[OURS], texts, strict=True))
        for way, texts in found.items()
        if way != OURS
    }
    assert min(same.values()) >= 0.9 * len(sequences), f"greedy texts equal to those of the built-in engine: {same}"
    return ", ".join(f"{number} of {len(sequences)} greedy texts as {way}'s" for way, number in same.items())


def built_in(rows: int) -> Callable[[Texts, float, int], Texts]:
    """The built-in engine, as a completion job makes it, with so many rows."""
    from feyntune.config.schema.generation import Generation
    from feyntune.evaluation.generation.transformers_engine import TransformersEngine, prepare_model

    model = copy.deepcopy(stopping_model())
    prepare_model(model)

    def run(sequences: Texts, temperature: float, most: int) -> Texts:
        least = LEAST if temperature else 0
        settings = Generation(temperature=temperature, min_new_tokens=least, batch_size=rows, max_new_tokens=most)
        made = rows_of(sequences, most)
        TransformersEngine(model, settings, rows).complete(sorted(made, key=lambda row: -len(row.prompt)), _forget)
        return [row.new_ids for row in made]

    return run


def _forget(*_: object) -> None:
    """Save nothing."""


def continuous(rows: int, sequences: Texts, temperature: float, most: int) -> Texts:
    """transformers' continuous batching, with the sampler of the built-in engine."""
    from transformers import ContinuousBatchingConfig

    from benchmarks.continuous_sampler import sampling
    from feyntune.config.schema.generation import Generation

    model = stopping_model().causal
    length = max(map(len, sequences)) + most
    blocks = rows * -(-length // 256) + 1
    batching = ContinuousBatchingConfig(
        num_blocks=None if device().type == "cuda" else blocks,
        max_batch_tokens=2048,
        max_requests_per_batch=rows,
        per_request_processors=True,
    )
    settings = Generation(temperature=temperature, min_new_tokens=LEAST, max_new_tokens=most)
    keys = [row.key for row in rows_of(sequences, most)]
    with without_logs(), sampling(model, settings, keys, [EOS]) if temperature else contextlib.nullcontext():
        outputs = model.generate_batch(
            inputs=sequences,
            generation_config=limits(most, do_sample=False),
            continuous_batching_config=batching,
        )
    return [[token for token in output.generated_tokens if token != EOS] for output in outputs.values()]


@contextlib.contextmanager
def without_logs() -> Iterator[None]:
    """Let transformers report errors only."""
    from transformers.utils import logging

    before = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(before)


class VllmWorker:
    """A process in vLLM's environment with the model in memory."""

    def __init__(self, worker: Worker) -> None:
        self.worker, self.process = worker, worker.process

    def __call__(self, sequences: Texts, temperature: float, most: int) -> Texts:
        """The new tokens of each sequence."""
        return self.worker.ask({"sequences": sequences, "temperature": temperature, "most": most})


def start_vllm(rows: int, folder: Path) -> VllmWorker | None:
    """A worker for so many rows; None, and one line that says why, if vLLM does not start."""
    from feyntune.evaluation.generation.vllm_environment import PYTHON

    if not PYTHON.exists():
        print("engines: without vLLM, which `make vllm` installs", file=sys.stderr, flush=True)
        return None
    base = folder / "model"
    stopping_model().causal.save_pretrained(base)
    generation = {
        "temperature": 1.0,
        "min_new_tokens": LEAST,
        "batch_size": rows,
        "max_new_tokens": MOST,
        "engine": "vllm",
    }
    precision = {"dtype": str(dtype()).removeprefix("torch.")}
    stage = {"run": "bench", "seed": 0, "limit": None, "generation": generation, "precision": precision}
    stage |= {"quantization": {"method": "none"}, "base_names": ["bench"]}
    given = {"stage": stage, "base": str(base), "eos_ids": [EOS], "prompt": 120}
    worker = Worker(PYTHON, Path(__file__).with_name("vllm_worker.py"), folder / "vllm.log", given)
    if not worker.ready:
        print(f"engines: without vLLM, which does not start ({worker.last_words()})", file=sys.stderr, flush=True)
        return None
    return VllmWorker(worker)


def check(results: dict[str, Any]) -> str:
    """Sampled texts as those of the other engines, except where rounding differs."""
    said = []
    for way in sorted(results.keys() - {OURS}):
        pairs = list(zip(results[way], results[OURS], strict=True))
        same = sum(theirs == ours for theirs, ours in pairs)
        name = NAMES[way]
        assert dtype() != torch.float32 or same >= 0.9 * len(pairs), f"only {same} of {len(pairs)} texts as {name}'s"
        said.append(f"{same} of {len(pairs)} sampled texts as {name}'s")
    return "; ".join([*said, f"{sum(map(len, results[OURS])):,} tokens"])


def amounts(results: dict[str, Any]) -> dict[str, float]:
    """New tokens of each engine, which differ in 16-bit formats."""
    return {way: float(sum(map(len, texts))) for way, texts in results.items()}


BENCHMARKS = [
    Benchmark(
        name=f"engines-{rows}",
        title=f"engines, {rows} rows, vLLM as the reference",
        unit="new tokens",
        sizes=(PROMPTS_PER_ROW * rows,),
        prepare=functools.partial(prepare, rows),
        check=check,
        amounts=amounts,
        with_memory=False,
        least_ratio=0.9 if rows == 16 else None,
    )
    for rows in (4, 16, 64)
]
