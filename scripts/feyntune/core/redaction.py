"""Keeps secrets out of terminals and logs, whoever writes them there.

Known are the secrets that this process has read, and those in variables of its environment that are named as such.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any, TextIO

NAMED = re.compile(r"(^|_)(TOKEN|SECRET|PASSWORD|PASSWD|API_KEY|ACCESS_KEY)$", re.IGNORECASE)
"""Names of variables that hold secrets, such as HF_TOKEN and WANDB_API_KEY."""
SHORTEST = 8
"""Characters that a value must have: shorter ones stand in ordinary texts too."""
HIDDEN = "<secret>"

_known: set[str] = set()


def hide(secret: str) -> None:
    """From now on remove this secret from everything that ``redacted`` returns."""
    if len(secret.strip()) >= SHORTEST:
        _known.add(secret.strip())


def hide_environment(environment: Mapping[str, str] = os.environ) -> None:
    """Hide the values of variables that are named as secrets."""
    for name, value in environment.items():
        if NAMED.search(name):
            for part in value.split():  # a value with a line break may be printed in parts
                hide(part.strip("\0"))


def redacted(text: str) -> str:
    """The text with ``<secret>`` in place of each known secret."""
    for secret in sorted(_known, key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    return text


class RedactedStream:
    """A text stream that writes ``redacted`` texts to another one, and is otherwise like it."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        self._stream.write(redacted(text))
        return len(text)

    def writelines(self, lines: list[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
