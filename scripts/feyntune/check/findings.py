"""What a check found: one finding per line of the table, with its remedy."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from feyntune.core.files import read_json, unreadable, write_json

State = Literal["pass", "fail", "warn", "skip"]


@dataclass(frozen=True)
class Finding:
    """The result of one check."""

    name: str
    """What was checked."""
    state: State
    """``fail``: the configuration needs it and it does not work; ``warn``: it works, but not as it should;
    ``skip``: it does not apply here or cannot be checked here."""
    detail: str
    """What was found."""
    remedy: str = ""
    """What to do about it; empty if nothing."""


def write_findings(path: Path, where: str, findings: Sequence[Finding], **details: object) -> None:
    """Write findings as JSON: ``where``, ``findings`` and the given ``details`` (such as measured rates)."""
    write_json(path, {"where": where, "findings": [asdict(finding) for finding in findings], **details})


def read_findings(path: Path) -> tuple[str, list[Finding]]:
    """Read where the checks ran and what they found.

    Raises:
        FeynTuneError: no such file, or not valid JSON.
    """
    content = read_json(path)
    with unreadable(path, "not a file of findings", KeyError, TypeError):
        return content["where"], [Finding(**finding) for finding in content["findings"]]


def render_table(parts: Iterable[tuple[str, Sequence[Finding]]]) -> list[str]:
    """The lines of one table over all places, with the remedy below each line that needs one.

    Args:
        parts: for each place (``login``, ``compute``) its findings.
    """
    rows = [(where, finding) for where, findings in parts for finding in findings]
    widths = [max((len(text) for text in column), default=0) for column in zip(*map(_cells, rows), strict=True)]
    lines = []
    for where, finding in rows:
        *front, detail = _cells((where, finding))
        padded = [cell.ljust(width) for cell, width in zip(front, widths, strict=False)]
        lines.append("  ".join([*padded, detail]))
        if finding.remedy and finding.state in ("fail", "warn"):
            lines.append(" " * (sum(widths[:2]) + 4) + f"-> {finding.remedy}")
    return lines


def _cells(row: tuple[str, Finding]) -> tuple[str, str, str, str]:
    where, finding = row
    return finding.state.upper(), where, finding.name, finding.detail


def failures(findings: Iterable[Finding]) -> list[Finding]:
    """The findings that make the configuration impossible to run."""
    return [finding for finding in findings if finding.state == "fail"]
