"""Numbers outside the range that they can have: a model that is broken, or a column that holds something else."""

from __future__ import annotations

import math
from collections.abc import Iterable

ROUNDING = 1e-6
"""How far a value may lie outside its bounds: the cosine of a text with itself is 1 up to rounding."""


def first_outside(values: Iterable[float | None], lowest: float | None, highest: float | None) -> int | None:
    """The position of the first number that is not finite or outside its bounds by more than rounding, or None.

    Args:
        values: numbers; None is a missing one.
        lowest: the lowest value; None if there is no bound.
        highest: the highest one.
    """
    low = -math.inf if lowest is None else lowest - ROUNDING
    high = math.inf if highest is None else highest + ROUNDING
    wrong = (
        place
        for place, value in enumerate(values)
        if value is not None and not (math.isfinite(value) and low <= value <= high)
    )
    return next(wrong, None)


def range_text(lowest: float | None, highest: float | None) -> str:
    """The range for a message, such as ``[-1, 1]``."""
    return f"[{'-inf' if lowest is None else lowest}, {'inf' if highest is None else highest}]"
