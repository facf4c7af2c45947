"""Votes for the better one of several completions, kept as ratings that ``read_ratings`` reads."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from feyntune.core.errors import FeynTuneError
from feyntune.core.files import unreadable
from feyntune.report.rating_sheets import category, harmless
from feyntune.report.ratings import COLUMNS, HIGHEST, LOWEST

if TYPE_CHECKING:
    from feyntune.playground.models import TriedRun

ALL_COLUMNS = (*COLUMNS, "prompt", "continuation", "seed")
"""Columns of the file of votes: those of ratings, and what was judged."""
EQUAL = (LOWEST + HIGHEST) / 2
"""Score of completions that are equally good."""


def vote_rows(
    prompt: str,
    seed: int | None,
    texts: Mapping[str, str],
    runs: Mapping[str, TriedRun],
    better: str | None,
    rater: str,
) -> list[dict[str, str]]:
    """A vote as ratings: the better completion has the highest score, the others the lowest; or all the middle.

    So the mean score of a run, by the highest score, is the share of comparisons that it won, where equally good ones
    count half (with two runs; with more, "equally good" counts half for each).

    Args:
        prompt: the prompt of the completions.
        seed: their seed; None: that of the runs' settings.
        texts: continuations by run.
        runs: the runs.
        better: the run that wrote the better one; None: equally good.
        rater: name of the person.
    """
    judged = json.dumps([prompt, sorted(texts.items())], ensure_ascii=False)
    paper = hashlib.sha256(judged.encode()).hexdigest()[:16]
    return [
        {
            "paper": paper,
            "model": run,
            "rater": rater,
            "score": f"{EQUAL if better is None else HIGHEST if run == better else LOWEST:g}",
            "source": runs[run].source,
            "category": category(runs[run].source, runs[run].layers),
            "prompt": prompt,
            "continuation": text,
            "seed": str(runs[run].stage.seed if seed is None else seed),
        }
        for run, text in texts.items()
    ]


def keep_vote(path: Path, rows: Sequence[Mapping[str, str]]) -> None:
    """Append a vote to a CSV file, which is made if there is none.

    Raises:
        FeynTuneError: the file holds something else, cannot be written, or has a vote of this person on these texts.
    """
    known = _read(path)
    voted = {(row["paper"], row["rater"]) for row in known or []}
    if (rows[0]["paper"], harmless(rows[0]["rater"])) in voted:
        raise FeynTuneError("you have already voted on these texts; complete with another seed or another prompt")
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, ALL_COLUMNS)
    if known is None:
        writer.writeheader()
    writer.writerows({name: harmless(value) for name, value in row.items()} for row in rows)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _append(path, text.getvalue().encode())
    except OSError as error:
        raise FeynTuneError(f"--votes {path}: cannot be written ({error.strerror}); name another file") from None


def _append(path: Path, content: bytes) -> None:
    """Append bytes to a file, completely or not at all."""
    with open(path, "ab", buffering=0) as file:
        size = file.tell()
        try:
            while content:
                content = content[file.write(content) :]
            os.fsync(file.fileno())
        except OSError:
            file.truncate(size)
            raise


def _read(path: Path) -> list[dict[str, str]] | None:
    """The rows of a file of votes; None if there is no file, or an empty one."""
    if not path.is_file() or not path.stat().st_size:
        return None
    with unreadable(path, "not a file of votes", csv.Error, UnicodeDecodeError, remedy="name another one with --votes"):
        text = path.read_text(encoding="utf-8")
        reader = csv.DictReader(io.StringIO(text, newline=""))
        if tuple(reader.fieldnames or ()) != ALL_COLUMNS:
            raise FeynTuneError(f"--votes {path}: a file with other columns; name another one")
        if not text.endswith("\n"):
            raise FeynTuneError(f"--votes {path}: its last line is cut; remove that line, or name another file")
        return list(reader)
