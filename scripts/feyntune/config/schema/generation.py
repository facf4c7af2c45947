"""Settings of completions."""

from typing import Literal

from pydantic import Field

from feyntune.config.schema.evaluated import EvaluationStage
from feyntune.core.schema import Count, CountOrZero, Section, Seed


class Generation(Section):
    """How abstracts are completed; the defaults are the paper's."""

    engine: Literal["transformers", "vllm"] = "transformers"
    """What completes them. `transformers`: the built-in engine, which needs nothing more. `vllm`: vLLM, several times
    as fast on a GPU; it runs in an environment of its own, which `make vllm` installs. Both sample with the same random
    numbers, so that their texts differ by rounding only."""
    max_new_tokens: Count = 1024
    """Longest continuation in tokens; the model's context may limit it further."""
    min_new_tokens: CountOrZero = 1
    """Shortest continuation in tokens."""
    temperature: float = Field(0.7, ge=0, le=100)
    """Sampling temperature; 0 takes the most likely token (greedy decoding)."""
    top_k: Count | None = None
    """Sample from the k most likely tokens only; null: from all."""
    top_p: float = Field(1.0, gt=0, le=1)
    """Sample from the smallest set of most likely tokens whose probabilities sum to this (nucleus sampling)."""
    min_p: float = Field(0.0, ge=0, lt=1)
    """Sample from tokens whose probability is at least this fraction of the most likely token's."""
    too_long: Literal["refuse", "truncate"] = "refuse"
    """What to do with prompts that fill the model's context: `truncate` keeps their last tokens, so many that half of
    the context is free for the completion. Their number is printed and recorded either way."""
    batch_size: Count | Literal["auto"] = "auto"
    """Abstracts that are completed in parallel; `auto`: as many as memory has room for, at most 256 on a GPU and 64 on
    a CPU. Changes speed and memory, and results by rounding only."""
    shard_rows: Count = 512
    """Abstracts between two saves, which a killed job loses at most; changes results by rounding only."""


class CompletionStage(EvaluationStage):
    """Settings of `complete.py`."""

    seed: Seed
    """Seed of the sampling."""
    generation: Generation
    """Generation settings."""
