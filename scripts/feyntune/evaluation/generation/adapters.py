"""Which PEFT adapters vLLM can apply without merging them into the base model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from feyntune.core.errors import FeynTuneError
from feyntune.core.files import read_json
from feyntune.models.load import check_adapter

RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
"""Ranks of vLLM's kernels; an adapter uses the next higher one."""
PLAIN_INITS = ("gaussian", "eva", "orthogonal", "mica", "lora_ga")
"""Initial values that do not change the base model. With others, peft changes its weights when it loads the adapter."""


def refusal(config: Mapping[str, Any]) -> str | None:
    """Why vLLM cannot apply an adapter, in a few words; None if it can.

    Args:
        config: content of ``adapter_config.json``.
    """
    init = config.get("init_lora_weights", True)
    reasons = {
        "a method other than LoRA": config.get("peft_type", "LORA") != "LORA",
        "DoRA": config.get("use_dora"),
        "trained biases": config.get("bias", "none") != "none" or config.get("lora_bias"),
        "whole trained modules (modules_to_save)": config.get("modules_to_save"),
        "trained token embeddings": config.get("trainable_token_indices"),
        "parameters as targets": config.get("target_parameters"),
        "layer replication": config.get("layer_replication"),
        "activation tokens (aLoRA)": config.get("alora_invocation_tokens"),
        "block-diagonal LoRA": config.get("use_bdlora"),
        "QALoRA": config.get("use_qalora"),
        f"a rank above {RANKS[-1]}": largest_rank(config) > RANKS[-1],
        f"initial values of {init}": isinstance(init, str) and init.lower() not in PLAIN_INITS,
    }
    return next((reason for reason, present in reasons.items() if present), None)


def check_applicable(folder: Path, base_names: Sequence[str], remedy: str) -> None:
    """Raise FeynTuneError if an adapter was made for another base model, or if vLLM cannot apply it.

    Args:
        folder: folder of the adapter.
        base_names: names that it may have for its base model.
        remedy: what to do about an adapter that vLLM cannot apply.
    """
    check_adapter(folder, base_names)
    if reason := refusal(read_json(folder / "adapter_config.json")):
        raise FeynTuneError(f"{folder}: vLLM cannot apply {reason}; {remedy}")


def largest_rank(config: Mapping[str, Any]) -> int:
    """The largest rank of an adapter's layers; ``config`` as in ``refusal``."""
    return max(config.get("r") or 0, *(config.get("rank_pattern") or {}).values(), 0)


def kernel_rank(config: Mapping[str, Any]) -> int:
    """The rank of vLLM's kernels that an adapter needs; ``config`` as in ``refusal``."""
    return next(rank for rank in RANKS if rank >= largest_rank(config))
