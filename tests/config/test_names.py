"""Names that would make two results one are refused when the configuration is parsed."""

import pytest

from feyntune.config.load import parse_configuration
from feyntune.config.names import check_names, result_folders
from feyntune.core.errors import FeynTuneError
from support.config_examples import SMALL
from support.workspace import PROJECT

FOLDERS = result_folders(PROJECT)


def metric(name):
    return parse_configuration({**SMALL, "metrics": {name: {"path": "x"}}})


def test_folders_are_those_of_rules_registries_and_programs_but_not_of_metrics():
    assert {"adapters", "datasets", "perplexity", "logs", "costs", "tables", "models", "metrics", "wandb"} <= FOLDERS
    assert {"checkpoints", "shards", "similarity", "embeddings", "completions", "figures"} <= FOLDERS
    assert not {"semscore", "jina", "rouge", "repetition"} & FOLDERS


@pytest.mark.parametrize("name", ["perplexity", "adapters", "models", "report.html"])
def test_a_metric_may_not_use_the_folder_of_another_result(name):
    with pytest.raises(FeynTuneError, match=rf"\$\.metrics\.{name}: results/{name}/ holds other results"):
        check_names(metric(name), FOLDERS)


def test_ordinary_names_pass():
    check_names(metric("semscore"), FOLDERS)


def test_two_snapshots_may_not_share_a_file():
    with pytest.raises(FeynTuneError, match=r"\$\.snapshots\.x\.controls: another snapshot has a file of this name"):
        check_names(parse_configuration({"snapshots": {"x": "a", "x.controls": "b"}}))
    check_names(parse_configuration({"snapshots": {"y": "a", "x.controls": "b"}}))


def test_names_that_collide_after_suffixes_are_refused():
    models = {"llama": {"path": "a"}, "llama.nf4-double-bfloat16": {"path": "b"}}
    with pytest.raises(
        FeynTuneError, match=r"\$\.models\.llama\.nf4-double-bfloat16: the dequantised weights of 'llama'"
    ):
        check_names(parse_configuration({"models": models}))
    check_names(parse_configuration({"models": {"other": {"path": "a"}, "llama.nf4-bfloat16": {"path": "b"}}}))
    sets = {"all.parquet": {"dataset": "d"}}
    with pytest.raises(
        FeynTuneError, match=r"\$\.evaluation_sets\.all\.parquet: the results of all runs have this name"
    ):
        check_names(parse_configuration({"evaluation_sets": sets}))
