"""Why a job is stale, in words that name what changed."""

import json
import re
from dataclasses import dataclass, field

from feyntune.core.nested import flattened


@dataclass
class Job:
    """One job of the workflow, stale or not."""

    stage: str
    """Name of its rule."""
    wildcards: dict
    """Values of its wildcards by name."""
    why: list = field(default_factory=list)
    """Why it is stale, in words; empty if it is not."""
    needs: list = field(default_factory=list)
    """Keys of the jobs whose results it reads."""
    threads: int = 1
    mem_mb: int | None = None
    runtime: int | None = None
    """Time limit in minutes; None if it has none."""
    gpu: int = 0
    card: str | None = None
    """The graphics card that the profile asks for, in the site's words."""
    benchmark: str | None = None
    """Where Snakemake writes what it took."""
    outputs: list = field(default_factory=list)
    """Its files."""

    @property
    def key(self):
        """Stage and wildcards as one text, as in ``score/hep-th/tiny_base``."""
        return "/".join([self.stage, *self.wildcards.values()])

    @property
    def run(self):
        """Name of its run, or None."""
        return self.wildcards.get("run")

    @property
    def stale(self):
        """Whether it would run."""
        return bool(self.why)


NEW = "not made yet"
DELETED = "deleted"
CODE = "its program's code changed"
RULE = "its rule changed"
AGAIN = "new results of"
INTERRUPTED = "it was interrupted"
_FINGERPRINT = re.compile(r"'?[0-9a-f]{16}'?")
SHOWN = 3


def settings_changes(before, now):
    """What changed among a job's parameters.

    Args:
        before: texts of the parameters that only the last run had.
        now: texts of those that only the next one has.

    Returns:
        Texts such as ``generation.temperature: 0.7 -> 0.5``, and ``CODE`` if a fingerprint of code differs.
    """
    old, new = _settings(before), _settings(now)
    names = sorted({*old, *new}, key=lambda name: (name not in new, name))
    changes = [
        f"{name}: {_told(old, name)} -> {_told(new, name)}"
        for name in names
        if old.get(name, ...) != new.get(name, ...)
    ]
    code = any(_FINGERPRINT.fullmatch(text) for text in [*before, *now])
    told = changes[:SHOWN] + ([f"{len(changes) - SHOWN} more settings"] if len(changes) > SHOWN else [])
    return [*told, *([CODE] if code else [])] or ["its settings changed"]


def _settings(texts):
    """All settings in those of the texts that are JSON objects, nested keys joined by dots."""
    found = {}
    for text in texts:
        try:
            content = json.loads(_unquoted(text))
        except ValueError:
            continue
        if isinstance(content, dict):
            found |= flattened(content)
    return found


def _unquoted(text):
    """Snakemake keeps a text as Python writes it, in quotes."""
    if text[:1] == text[-1:] and text[:1] in "'\"":
        return text[1:-1].replace("\\\\", "\\").replace("\\'", "'")
    return text


def _told(settings, name):
    return json.dumps(settings[name]) if name in settings else "none"


def is_about_content(reason):
    """Whether a reason says that the old result is of something else, and not only that it is to be made again."""
    return reason not in (CODE, RULE, INTERRUPTED, DELETED) and not reason.startswith(AGAIN)


def grouped(jobs):
    """The reasons of jobs of one stage in one line, each with the number of its jobs, the most frequent first."""
    counts = {}
    for job in jobs:
        for reason in job.why:
            counts[reason] = counts.get(reason, 0) + 1
    ordered = sorted(counts.items(), key=lambda each: -each[1])
    shown = [reason if count == len(jobs) else f"{reason} ({count})" for reason, count in ordered[:SHOWN]]
    return "; ".join([*shown, *(["…"] if len(ordered) > SHOWN else [])])
