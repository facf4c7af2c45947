"""Split an abstract into a prompt, its first half, and the true continuation, its second half."""

from __future__ import annotations

import re

_SENTENCE_END = re.compile(r"(?<=[.!?])\s+")


def split_abstract(text: str) -> tuple[str, str]:
    """Split an abstract into ``(prompt, y_true)``: the first half of its sentences, rounded up, and the rest.

    A sentence ends at white space that follows ``.``, ``!`` or ``?``. An abstract of one sentence is split by words in
    the same way; a single word gives an empty ``y_true``. The sentences or words of each half are joined by one space.
    """
    text = text.strip()
    parts = _SENTENCE_END.split(text)
    if len(parts) == 1:
        parts = text.split()
    half = (len(parts) + 1) // 2
    return " ".join(parts[:half]), " ".join(parts[half:])
