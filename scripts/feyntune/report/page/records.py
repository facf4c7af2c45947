"""Records of runs and of software, as the report shows them: what runs share, what differs, and titles in words."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

TITLES = {
    "settings.target_modules": "Adapted layers",
    "settings.lora.r": "LoRA rank",
    "settings.lora.alpha": "LoRA alpha",
    "settings.training.optimizer.learning_rate": "Learning rate",
    "settings.training.num_train_epochs": "Epochs",
    "settings.training.batch_size": "Batch size",
    "fits": "Fit to the device",
    "revision": "Revision of the code",
    "train_abstracts": "Training abstracts",
    "train_tokens": "Training tokens",
    "tokens.training": "Text in training",
    "tokens.scoring": "Text for perplexity",
    "tokens.completion": "Text for completion",
    "measured.seconds": "Time (min)",
    "measured.evaluation_fraction": "Time in evaluation",
    "measured.checkpoints_fraction": "Time in checkpoints",
    "measured.tokens_per_second": "Tokens per second",
    "measured.padding_fraction": "Padding",
    "measured.peak_memory_mb": "Peak memory (GB)",
}
"""Titles by key. Other keys are their own titles, without ``settings.`` and underscores."""

REVISION_LENGTH = 10


@dataclass(frozen=True)
class Entry:
    """A key of records, for a table."""

    key: str
    """As in the file, such as ``settings.lora.r``."""
    title: str
    values: dict[str, str]
    """Texts by run."""


def common_and_differing(
    records: Mapping[str, Mapping[str, Any]],
) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """Split records into what all have in common and what differs.

    Args:
        records: flat dicts by run.

    Returns:
        A dict of the keys with the same value in every record, and by key of the others a dict of values by run. A key
        that holds just the run's own name is left out.
    """
    names = dict.fromkeys(name for record in records.values() for name in record)
    common, differing = {}, {}
    for name in names:
        values = {run: record.get(name) for run, record in records.items()}
        first = next(iter(values.values()))
        if all(value == first for value in values.values()):
            common[name] = first
        elif any(value != run for run, value in values.items()):
            differing[name] = values
    return common, differing


def entries(values: Mapping[str, Mapping[str, Any]]) -> list[Entry]:
    """Titles and texts of values by key and run."""
    return [
        Entry(key, title(key), {run: text(key, value) for run, value in by_run.items()})
        for key, by_run in values.items()
    ]


def title(key: str) -> str:
    """A key in words: ``settings.training.schedule.warmup_ratio`` is "Training: schedule: warmup ratio"."""
    words = key.removeprefix("settings.").replace(".", ": ").replace("_", " ")
    return TITLES.get(key, words[:1].upper() + words[1:])


def text(key: str, value: Any) -> str:
    """A value as people read it: fractions in percent, times in minutes, no quotation marks, short revisions."""
    if value is None:
        return "–"
    if key.endswith("_fraction"):
        return f"{100 * value:.1f}%"
    if key == "measured.seconds":
        return f"{value / 60:,.1f}"
    if key == "measured.peak_memory_mb":
        return f"{value / 1000:,.1f}"
    if key == "revision" and isinstance(value, str):
        return value[:REVISION_LENGTH] + (" with changes" if value.endswith("-dirty") else "")
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return ", ".join(value)
    if isinstance(value, int) and not isinstance(value, bool) and value >= 10000:
        return f"{value:,}"
    return value if isinstance(value, str) else json.dumps(value)
