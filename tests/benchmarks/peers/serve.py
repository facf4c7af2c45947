"""What the workers share. They run in the environment of the peers, which has none of this project's modules."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from typing import Any


def serve(prepare: Callable[..., Callable[[], Any]]) -> None:
    """Prepare from the first line of the standard input, say ``ready``, and run once for each further line.

    Args:
        prepare: takes what the first line has; returns the work, whose result is written as JSON.
    """
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print must not mix with the answers
    run = prepare(**json.loads(sys.stdin.readline()))
    print("ready", file=answers, flush=True)
    for _ in sys.stdin:
        print(json.dumps(run()), file=answers, flush=True)
