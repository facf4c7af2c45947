"""When a training stops before its time limit."""

import pytest

from feyntune.config.schema.training import Training
from feyntune.training.callbacks import CheckpointCallback


@pytest.mark.parametrize(
    ("limit", "longest_step", "reserve"),
    [
        (120, 1, 30),  # a twentieth would be 6 s, in which a job of Snakemake does not end
        (1800, 1, 90),
        (48 * 3600, 1, 300),
        (1800, 100, 200),  # the slowest step, twice
    ],
)
def test_the_reserve_before_the_time_limit(limit, longest_step, reserve):
    callback = CheckpointCallback(Training(), limit, started=0.0)
    callback.longest_step = longest_step
    assert not callback._must_stop(limit - reserve - 0.5)
    assert callback._must_stop(limit - reserve + 0.5)


def test_without_a_limit_it_never_stops():
    assert not CheckpointCallback(Training(), None, started=0.0)._must_stop(1e9)
