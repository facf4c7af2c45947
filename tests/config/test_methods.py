"""Runs that train all weights: how they are declared, what they are called, and what they refuse."""

import copy

import pytest

from feyntune.config.folders import run_model_folder, trained_folder
from feyntune.config.load import parse_configuration
from feyntune.config.reported import gpus_of_jobs
from feyntune.config.runs import resolve_runs
from feyntune.config.stages import completion_stage, merge_stage, training_stage
from feyntune.core.errors import FeynTuneError
from feyntune.core.schema import lay_over
from support.config_examples import SMALL

PLAIN = {"quantization": {"method": "none"}}
FULL = {"training": {"method": "full"}}
ONE = {"runs": {"whole": {"model": "tiny", "dataset": "hep-th", **FULL, **PLAIN}}}


def parsed(*changes):
    raw = copy.deepcopy(SMALL)
    for change in changes:
        raw = lay_over(raw, change)
    configuration = parse_configuration(raw)
    return configuration, resolve_runs(configuration)


def test_a_named_run_trains_all_weights_into_a_model_folder():
    configuration, runs = parsed(ONE)
    run, adapter = runs["whole"], runs["tiny_hep-th_all"]
    assert (run.kind, run.layers, run.is_full, run.has_adapter, run.is_tuned) == ("trained", "full", True, False, True)
    assert (adapter.is_full, adapter.has_adapter, adapter.is_tuned) == (False, True, True)
    assert trained_folder(run) == run_model_folder(configuration, run) == "results/full/whole"
    assert trained_folder(adapter) == "results/adapters/tiny_hep-th_all"
    assert run_model_folder(configuration, adapter) == "models/tiny"
    stage = training_stage(configuration, run)
    assert (stage.target_modules, stage.training.method) == ([], "full")


def test_models_of_the_grid_have_one_full_run_for_each_dataset():
    _, runs = parsed({"grid": {"models": ["tiny", "other"]}, "models": {"other": {**FULL, **PLAIN}}})
    of_other = [name for name, run in runs.items() if run.model == "other"]
    assert of_other == ["other_base", "other_hep-th_full", "other_gr-qc_full"]
    assert len([run for run in runs.values() if run.model == "tiny"]) == 5


def test_a_run_can_have_an_adapter_where_its_model_has_none():
    mine = {"mine": {"model": "other", "dataset": "hep-th", "layers": "all", "training": {"method": "lora"}}}
    _, runs = parsed({"models": {"other": {**FULL, **PLAIN}}, "runs": mine})
    assert runs["mine"].has_adapter


def test_settings_of_adapters_do_not_make_a_full_run_stale():
    stages = [training_stage(*_one(changes)) for changes in ({}, {"lora": {"r": 64}}, {"layer_sets": {"all": ["x"]}})]
    assert stages[0] == stages[1] == stages[2]


def _one(changes):
    configuration, runs = parsed(ONE, changes)
    return configuration, runs["whole"]


def test_the_settings_of_adapters_read_as_before_there_was_a_method():
    configuration, runs = parsed(ONE)
    stages = [
        training_stage(configuration, runs[name]).model_dump(mode="json") for name in ("tiny_hep-th_all", "whole")
    ]
    assert "method" not in stages[0]["training"] and stages[1]["training"]["method"] == "full"


def test_a_full_run_is_evaluated_from_its_own_folder_whatever_the_weights_of_others():
    configuration, runs = parsed(ONE, {"evaluation": {"weights": "dequantised", "quantization": {"method": "nf4"}}})
    assert completion_stage(configuration, runs["tiny_base"], "unseen").weights == "dequantised"
    assert completion_stage(configuration, runs["whole"], "unseen").weights == "quantised"


def test_gpus_are_those_of_its_own_job():
    configuration, runs = parsed(ONE, {"runs": {"whole": {"gpus": 4}}, "resources": {"train": {"gpu": 2}}})
    found = gpus_of_jobs(configuration, runs)
    assert (found["train"], found["train_full"], found["train_full/whole"]) == (2, 2, 4)
    assert "train/whole" not in found


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"runs": {"whole": {"layers": "all"}}}, "$.runs.whole.layers: training.method full trains all layers"),
        ({"runs": {"whole": {"training": {"method": "lora"}}}}, "$.runs.whole: needs 'dataset' and 'layers'"),
        ({"runs": {"whole": {"quantization": {"method": "nf4"}}}}, "whole: training.method full changes base weights"),
        ({"runs": {"whole": {"lora": {"use_dora": True}}}}, "$.runs.whole.lora: training.method full trains no"),
        ({"models": {"other": {**FULL, "lora": {"r": 2}}}}, "$.models.other.lora: training.method full trains no"),
        ({"training": {"optimizer": {"lora_plus_ratio": 4}}}, "whole: training.method full has no B matrices"),
        ({"training": {"keep": "best"}}, "whole: training.method full keeps no copies of earlier steps"),
        ({"grid": {"vary": {"training.method": ["lora", "full"]}}}, "$.grid.vary: training.method cannot be varied"),
        (
            {"models": {"tiny": {**FULL, **PLAIN}}, "grid": {"layer_sets": [], "vary": {"lora.r": [2, 4]}}},
            "$.grid.vary: tiny_hep-th_full_r2 has training.method full",
        ),
        ({"layer_sets": {"full": ["q_proj"]}}, "$.layer_sets.full: runs with training.method full have this name"),
        ({**FULL, **PLAIN}, "$.grid.layer_sets: training.method full trains no adapter; remove it"),
        ({**FULL, **PLAIN, "grid": {"layer_sets": []}, "lora": {"init": "pissa"}}, "$.lora: training.method full"),
        ({"generation": {"engine": "vllm"}, "evaluation": {"quantization": {"method": "nf4"}}}, "vLLM does not quant"),
    ],
)
def test_what_has_no_effect_is_refused_in_one_line(changes, message):
    with pytest.raises(FeynTuneError) as error:
        configuration, runs = parsed(ONE, changes)
        completion_stage(configuration, runs["whole"], "unseen")
    assert message in str(error.value) and "\n" not in str(error.value)


def test_merging_names_the_model_folder():
    configuration, runs = parsed(ONE)
    with pytest.raises(FeynTuneError, match="whole has no adapter to merge; take its whole model, results/full/whole"):
        merge_stage(configuration, runs["whole"])
