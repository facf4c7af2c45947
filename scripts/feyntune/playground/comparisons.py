"""Blind comparisons: which column shows which run is a secret of the server until somebody has voted."""

from __future__ import annotations

import random
import secrets
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from feyntune.core.errors import FeynTuneError
from feyntune.playground.session import Growth, Prompt, Session
from feyntune.playground.votes import keep_vote, vote_rows

REMEMBERED = 200
"""Comparisons that are kept in memory; older ones can no longer be voted on."""


@dataclass
class Comparison:
    """Completions of one prompt in a random order."""

    prompt: Prompt
    order: list[str]
    """Runs by column."""
    texts: dict[str, str] = field(default_factory=dict)
    """Finished continuations by run."""
    revealed: bool = False
    """Whether the names of the runs have been shown."""


class Comparisons:
    """The comparisons of a session; they are forgotten when the program ends, except for votes.

    Args:
        session: the models.
        votes: CSV file of votes.
    """

    def __init__(self, session: Session, votes: Path) -> None:
        self.session, self.votes = session, votes
        self._known: OrderedDict[str, Comparison] = OrderedDict()
        self._models, self._file = threading.Lock(), threading.Lock()
        self._shuffling = random.SystemRandom()

    def start(self, prompt: Prompt, runs: Sequence[str]) -> tuple[str, Comparison]:
        """Begin a comparison of runs in a random order; returns its key.

        Raises:
            FeynTuneError: a run is not in this session, or is named twice.
        """
        if not runs or len(set(runs)) < len(runs) or not set(runs) <= self.session.runs.keys():
            raise FeynTuneError("no run is chosen, or one twice; choose one or more of the runs")
        comparison = Comparison(prompt, self._shuffling.sample(list(runs), len(runs)))
        key = secrets.token_urlsafe(16)
        self._known[key] = comparison
        while len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        return key, comparison

    def grow(self, comparison: Comparison) -> Iterator[tuple[int, Growth]]:
        """Complete; yields columns with their completions so far. Only one comparison computes at a time."""
        with self._models:
            for growth in self.session.complete(comparison.prompt, comparison.order):
                if growth.stopped:
                    comparison.texts[growth.run] = growth.text
                yield comparison.order.index(growth.run), growth

    def reveal(self, key: str) -> list[str]:
        """The runs by column; votes on this comparison are refused from now on.

        Raises:
            FeynTuneError: there is no such comparison.
        """
        comparison = self._get(key)
        comparison.revealed = True
        return comparison.order

    def vote(self, key: str, better: int | None, rater: str) -> list[str]:
        """Keep a vote for a column (None: equally good); returns the runs by column.

        Raises:
            FeynTuneError: the comparison is unfinished, has been revealed, or there is nothing to compare.
        """
        comparison = self._get(key)
        if comparison.revealed:
            raise FeynTuneError(
                "the names have been shown: this comparison is no longer blind; complete another prompt"
            )
        if len(comparison.order) < 2 or len(comparison.texts) < len(comparison.order):
            raise FeynTuneError("a vote needs two or more finished completions; wait for them")
        if better is not None and not 0 <= better < len(comparison.order):
            raise FeynTuneError("there is no such column; choose one that is shown")
        chosen = None if better is None else comparison.order[better]
        prompt = comparison.prompt
        rows = vote_rows(prompt.line, prompt.seed, comparison.texts, self.session.runs, chosen, rater)
        with self._file:
            keep_vote(self.votes, rows)
        return self.reveal(key)

    def _get(self, key: str) -> Comparison:
        if key not in self._known:
            raise FeynTuneError("this comparison is forgotten; complete the prompt again")
        return self._known[key]
