"""Faults of settings are found before any training starts; what passed is not checked again."""

import json
import shutil

import pytest

from feyntune.config.schema.training import Tracking, TrainingStage
from feyntune.core.errors import FeynTuneError
from feyntune.training import checks
from feyntune.training.early import PlannedTraining, faults, refuse_faults
from support.programs import load_program
from support.small_training import settings

UNKNOWN_LAYER = {"target_modules": ["q_proj", "query"]}
WRONG_ARGUMENT = {"training": {"schedule": {"name": "cosine_with_min_lr", "arguments": {"min_rate": 0.1}}}}
TOO_LONG = {"training": {"max_length": 512}}


def planned(base, gpus=0, repository=None, revision=None, **changes):
    stage = TrainingStage.model_validate(settings(**changes))
    return PlannedTraining(base, gpus, stage, repository, revision)


def check(trainings, tmp_path, code="a"):
    refuse_faults(trainings, Tracking(), code, tmp_path / "checks/passed.json")


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        (UNKNOWN_LAYER, "small: target_modules: llama has no layer 'query'; it has down_proj"),
        (WRONG_ARGUMENT, "small: training.schedule: cannot create cosine_with_min_lr"),
        (TOO_LONG, "small: training.max_length: 512 exceeds the model's 256 tokens"),
        ({"gpus": 3}, "small: training.batch_size: 4 is not a multiple of 3 GPUs"),
    ],
)
def test_a_fault_is_one_line_that_names_the_run(tiny_model, changes, fault):
    (found,) = faults([planned(tiny_model), planned(tiny_model, **changes)], Tracking())
    assert found.startswith(fault) and "\n" not in found


def test_formats_that_only_this_machine_lacks_are_no_fault(tiny_model):
    float16 = planned(tiny_model, gpus=1, precision={"dtype": "float16"})
    int8 = planned(tiny_model, gpus=1, quantization={"method": "int8"})
    flash = planned(tiny_model, gpus=1, precision={"attention": "flash_attention_2"})
    assert faults([float16, int8, flash], Tracking()) == []


def test_what_passed_is_checked_again_only_if_it_changed(tiny_model, tmp_path, monkeypatch):
    check([planned(tiny_model)], tmp_path)
    monkeypatch.setattr(checks, "check_settings", None)
    check([planned(tiny_model)], tmp_path)
    for trainings, code in (([planned(tiny_model, seed=8)], "a"), ([planned(tiny_model)], "b")):
        with pytest.raises(TypeError):
            check(trainings, tmp_path, code)


def test_a_fault_is_found_again_each_time(tiny_model, tmp_path):
    for _ in range(2):
        with pytest.raises(FeynTuneError, match=r"no layer 'query'.*1 more trainings have faults"):
            check([planned(tiny_model, **UNKNOWN_LAYER), planned(tiny_model, **TOO_LONG)], tmp_path)


def test_models_that_are_not_there_or_will_be_replaced_are_not_checked(tiny_model, tmp_path):
    base = shutil.copytree(tiny_model, tmp_path / "model")
    wrong = {"base": base, **UNKNOWN_LAYER}
    old, new = "0" * 40, "1" * 40
    check([planned(tmp_path / "nowhere", **UNKNOWN_LAYER)], tmp_path)
    check([planned(repository="us/model", revision=new, **wrong)], tmp_path)  # not fetched
    (base / "fetched.json").write_text(json.dumps({"repository": "us/model", "commit": old}))
    check([planned(repository="us/model", revision=new, **wrong)], tmp_path)
    check([planned(repository="us/other", revision=old, **wrong)], tmp_path)
    for revision in (old, "main"):
        with pytest.raises(FeynTuneError, match="query"):
            check([planned(repository="us/model", revision=revision, **wrong)], tmp_path)
    (base / "config.json").write_text("")
    check([planned(**wrong)], tmp_path)


def test_the_program_reads_trainings_as_the_workflow_writes_them(tiny_model, tmp_path, parse, monkeypatch):
    program = load_program("check_trainings")
    monkeypatch.setattr(program, "give_gpus", lambda *_: None)  # it changes the environment of this process
    stage = TrainingStage.model_validate(settings(**UNKNOWN_LAYER)).model_dump_json()
    training = {"base": str(tiny_model), "gpus": 0, "settings": stage, "repository": None, "revision": None}
    (tmp_path / "trainings.json").write_text(json.dumps({"trainings": [training]}))
    with pytest.raises(FeynTuneError, match=r"small: .*'query'.*; no job was started"):
        program.main(parse(program, trainings=tmp_path / "trainings.json", record=tmp_path / "passed.json"))
    assert not (tmp_path / "passed.json").exists()
