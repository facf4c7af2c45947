"""The first half of an abstract is the prompt, the second half is what its authors went on to say."""

import re

_SENTENCE_END = re.compile(r"(?<=[.!?])\s+")


def split_abstract(text):
    """Split an abstract into ``(prompt, y_true)``: its first half of sentences, rounded up, and the rest.

    A sentence ends at white space that follows ``.``, ``!`` or ``?``. An abstract of one sentence is split by words in
    the same way; one word only gives an empty ``y_true``. Each half is joined by single spaces.
    """
    text = text.strip()
    parts = _SENTENCE_END.split(text)
    if len(parts) == 1:
        parts = text.split()
    half = (len(parts) + 1) // 2
    return " ".join(parts[:half]), " ".join(parts[half:])
