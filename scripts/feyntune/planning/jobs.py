"""The jobs of the workflow, and the reasons why a job would run, in words that name what changed."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypedDict

from feyntune.core.nested import flattened


@dataclass
class Job:
    """One job of the workflow, stale or not."""

    stage: str
    """Name of its rule."""
    wildcards: dict[str, str]
    """Values of its wildcards by name."""
    why: list[str] = field(default_factory=list)
    """Why it is stale, in words; empty if it is not."""
    needs: list[str] = field(default_factory=list)
    """Keys of the jobs whose results it reads."""
    threads: int = 1
    mem_mb: int | None = None
    runtime: int | None = None
    """Time limit in minutes; None if it has none."""
    gpu: int = 0
    """Number of GPUs."""
    gpu_model: str | None = None
    """The GPU that the profile asks for, by the site's name for it."""
    benchmark: str | None = None
    """File in which Snakemake records the time and memory of the job."""
    outputs: list[str] = field(default_factory=list)
    """Its files."""
    params: dict[str, str] = field(default_factory=dict)
    """Those of its named parameters that are texts, if its result may be restored."""
    inputs: dict[str, str] = field(default_factory=dict)
    """Those of its named inputs that are single files, if its result may be restored."""
    restored: bool = False
    """Whether it will restore a kept result instead of computing it."""

    @property
    def key(self) -> str:
        """Stage and wildcards as one text, as in ``perplexity/hep-th/tiny_base``."""
        return "/".join([self.stage, *self.wildcards.values()])

    @property
    def run(self) -> str | None:
        """Name of its run, or None."""
        return self.wildcards.get("run")

    @property
    def stale(self) -> bool:
        """Whether it would run."""
        return bool(self.why)


class Offered(TypedDict):
    """What may be used at a time; None is no limit."""

    jobs: int | None
    cores: int | None
    gpu: int | None


NEW = "not made yet"
DELETED = "deleted"
CODE = "its program's code changed"
RULE = "its rule changed"
AGAIN = "new results of"
INTERRUPTED = "it was interrupted"
RESTORED = "restored: its result is kept"
_FINGERPRINT = re.compile(r"'?[0-9a-f]{16}'?")
SHOWN = 3
"""Most changes or reasons in one line."""


def settings_changes(before: Sequence[str], now: Sequence[str]) -> list[str]:
    """Find what changed among a job's parameters.

    Args:
        before: texts of the parameters that only the last run had.
        now: texts of those that only the next one has.

    Returns:
        Texts such as ``generation.temperature: 0.7 -> 0.5``, and ``CODE`` if a fingerprint of code differs.
    """
    old, new = _settings(before), _settings(now)
    names = sorted({*old, *new}, key=lambda name: (name not in new, name))
    changes = [
        f"{name}: {_value(old, name)} -> {_value(new, name)}"
        for name in names
        if old.get(name, ...) != new.get(name, ...)
    ]
    code = any(_FINGERPRINT.fullmatch(text) for text in [*before, *now])
    more = [f"{len(changes) - SHOWN} more settings"] if len(changes) > SHOWN else []
    return [*changes[:SHOWN], *more, *([CODE] if code else [])] or ["its settings changed"]


def _settings(texts: Iterable[str]) -> dict[str, object]:
    """All settings in those of the texts that are JSON objects, nested keys joined by dots."""
    found: dict[str, object] = {}
    for text in texts:
        try:
            content = json.loads(_unquoted(text))
        except ValueError:
            continue
        if isinstance(content, dict):
            found |= flattened(content)
    return found


def _unquoted(text: str) -> str:
    """Snakemake keeps a text as Python writes it, in quotes."""
    if text[:1] == text[-1:] and text[:1] in "'\"":
        return text[1:-1].replace("\\\\", "\\").replace("\\'", "'")
    return text


def _value(settings: Mapping[str, object], name: str) -> str:
    return json.dumps(settings[name]) if name in settings else "none"


def is_about_content(reason: str) -> bool:
    """Whether a reason makes the content of the old result outdated, instead of only making the job run again."""
    return reason not in (CODE, RULE, INTERRUPTED, DELETED, RESTORED) and not reason.startswith(AGAIN)


def grouped(jobs: Sequence[Job]) -> str:
    """The reasons of jobs of one stage in one line, each with the number of its jobs, the most frequent first."""
    counts = Counter(reason for job in jobs for reason in job.why).most_common()
    shown = [reason if count == len(jobs) else f"{reason} ({count})" for reason, count in counts[:SHOWN]]
    return "; ".join([*shown, *(["…"] if len(counts) > SHOWN else [])])
