"""Dates in the future are found, and those of results are corrected."""

import os
import time

from feyntune.core.dates import date_now, seconds_ahead


def test_only_what_is_clearly_ahead_is_dated_now(tmp_path):
    ahead = {"before": -100, "little": 30, "much/deep": 7200}
    for name, seconds in ahead.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
        os.utime(tmp_path / name, (1, time.time() + seconds))
    (tmp_path / "link").symlink_to("nowhere")
    before = (tmp_path / "little").stat().st_mtime
    assert date_now(tmp_path) == 1
    assert abs((tmp_path / "much/deep").stat().st_mtime - time.time()) < 10
    assert (tmp_path / "little").stat().st_mtime == before
    assert not any(seconds_ahead(path) for path in [*tmp_path.rglob("*"), tmp_path / "missing"])
