"""Files that are dated in the future: Snakemake takes every result for outdated that is older than its input.

It even deletes a finished result in that case. Such dates come from clocks that were wrong and are set right.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

AHEAD = 60.0
"""Seconds by which a file may be dated in the future: clocks of file servers differ."""


def seconds_ahead(path: Path) -> float:
    """Seconds by which a file is dated in the future; 0 if by less than ``AHEAD``, or if it is missing."""
    try:
        ahead = path.lstat().st_mtime - time.time()
    except OSError:
        return 0
    return ahead if ahead > AHEAD else 0


def date_now(folder: Path) -> int:
    """Give all files below a folder that are dated in the future the time of now; returns their number.

    The order of their dates gets lost, which does no harm: Snakemake compares contents, and equal dates are not newer.
    """
    now, count = time.time(), 0
    for path in folder.rglob("*"):
        if seconds_ahead(path):
            os.utime(path, (now, now), follow_symlinks=False)
            count += 1
    return count
