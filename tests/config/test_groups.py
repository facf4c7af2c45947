"""Runs that differ in their seed only are a group."""

import pytest

from feyntune.config.groups import seed_groups
from feyntune.config.load import parse_configuration
from feyntune.config.runs import resolve_runs
from support.config_examples import SMALL

ONE = {"models": ["tiny"], "datasets": ["hep-th"], "layer_sets": ["all"]}
NAMED = {"model": "tiny", "dataset": "hep-th", "layers": "all"}


def groups(runs=None, **grid):
    configuration = parse_configuration({**SMALL, "grid": {**ONE, **grid}, "runs": runs or {}})
    return {group.name: group for group in seed_groups(configuration, resolve_runs(configuration))}


def test_without_seeds_and_varied_settings_there_are_no_groups():
    assert groups() == {}
    assert groups({"mine": {**NAMED, "lora": {"r": 4}}}) == {}


def test_the_seeds_of_a_grid_are_groups_and_a_base_model_is_one_by_itself():
    found = groups(seeds=[1, 2, 3], layer_sets=["all", "qkv"])
    assert {name: group.runs for name, group in found.items()} == {
        "tiny_base": ["tiny_base"],
        **{
            f"tiny_hep-th_{layers}": [f"tiny_hep-th_{layers}_s{seed}" for seed in (1, 2, 3)]
            for layers in ("all", "qkv")
        },
    }
    assert [group.seeds for group in found.values()] == [[], [1, 2, 3], [1, 2, 3]]


def test_varied_settings_are_groups_of_their_own():
    found = groups(seeds=[1, 2], vary={"lora.r": [2, 4]})
    assert list(found) == ["tiny_base", "tiny_hep-th_all_r2", "tiny_hep-th_all_r4"]
    assert [group.varied for group in found.values()] == [{}, {"lora.r": 2}, {"lora.r": 4}]
    alone = groups(vary={"lora.r": [2, 4]})
    assert [group.seeds for group in alone.values()] == [[], [42], [42]]


def test_named_runs_join_the_group_of_their_settings():
    found = groups({"one": {**NAMED, "seed": 1}, "two": {**NAMED, "seed": 2, "lora": {"r": 4}}})
    assert found["tiny_hep-th_all"].runs == ["tiny_hep-th_all", "one"]
    assert found["tiny_hep-th_all"].seeds == [42, 1]
    assert found["two"].runs == ["two"]


@pytest.mark.parametrize("seed", [1, 42])
def test_the_same_training_twice_is_no_second_seed(seed):
    found = groups({"one": {**NAMED, "seed": seed}, "again": {**NAMED, "seed": seed}})
    assert all(len(set(group.seeds)) == len(group.seeds) for group in found.values())
    assert sum(len(group.runs) for group in found.values()) == 4


def test_a_group_does_not_take_the_name_of_another_run():
    found = groups({"tiny_hep-th_all": {**NAMED, "lora": {"r": 4}}}, seeds=[1, 2])
    assert list(found) == ["tiny_base", "tiny_hep-th_all_s1", "tiny_hep-th_all"]
    assert found["tiny_hep-th_all_s1"].runs == ["tiny_hep-th_all_s1", "tiny_hep-th_all_s2"]
