"""Finished parts of a job: in their order, and none behind a damaged one."""

import pyarrow
import pytest

from feyntune.core.shards import FINGERPRINT, Shards
from support.damage import DAMAGES, damage

JOB = {"settings": {"seed": 1}}


def parts(folder, fingerprint=JOB):
    return [table["x"].to_pylist() for table in Shards(folder, fingerprint).read()]


@pytest.fixture
def folder(tmp_path):
    shards = Shards(tmp_path, JOB)
    for number in range(4):
        shards.append(pyarrow.table({"x": [number]}))
    return tmp_path


def test_parts_are_read_in_their_order_by_the_same_job_only(folder):
    assert parts(folder) == [[0], [1], [2], [3]]
    assert parts(folder, {"settings": {"seed": 2}}) == []


@pytest.mark.parametrize("how", [*DAMAGES, "missing"])
def test_what_follows_a_damaged_part_is_computed_again(folder, how, capsys):
    path = folder / "000001.parquet"
    path.unlink() if how == "missing" else damage(path, how)
    assert parts(folder) == [[0]]
    assert "computed again: " in capsys.readouterr().out
    Shards(folder, JOB).append(pyarrow.table({"x": [9]}))
    assert parts(folder) == [[0], [9]]


@pytest.mark.parametrize("how", DAMAGES)
def test_parts_of_a_damaged_fingerprint_are_of_another_job(folder, how):
    damage(folder / FINGERPRINT, how)
    assert parts(folder) == []
    assert parts(folder) == [] and not list(folder.glob("*.parquet"))
