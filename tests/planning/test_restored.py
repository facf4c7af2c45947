"""Plans know which results will be restored: by the fingerprints that the programs compute."""

import json
import shutil
from pathlib import Path

import pytest

from feyntune.config.schema.generation import CompletionStage
from feyntune.core import hashing
from feyntune.core.hashing import known_digest
from feyntune.evaluation.record import kept_results as kept_evaluation
from feyntune.planning.jobs import DELETED, NEW, Job
from feyntune.planning.restored import restored_jobs
from feyntune.training.job import kept_results as kept_training
from feyntune.training.job import outputs
from support.small_training import settings, training_job

RUN, SET = "small", "unseen"
SECTIONS = {key: {} for key in ("quantization", "precision", "generation")}
STAGE = CompletionStage.model_validate({"run": RUN, "seed": 1, "limit": None, "base_names": ["tiny"], **SECTIONS})


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A project in which a training and its completions have finished and are kept."""
    monkeypatch.chdir(tmp_path)
    Path("base").mkdir()
    for name in ("base/config.json", "train.parquet", "test.parquet", "control_prompts.parquet"):
        Path(name).write_text(name)
    Path("results/adapters").mkdir(parents=True)
    training = training_job(
        Path("base"), Path(), Path("results/adapters"), output=Path(f"results/adapters/{RUN}"),
        kept=Path(f"results/kept/train/{RUN}"), code="train-code",
    )  # fmt: skip
    for path in outputs(training):
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"{path.name} of {RUN}")
    kept_training(training).keep(outputs(training))
    Path("completions.parquet").write_text("completions")
    kept = Path(f"results/kept/complete/{SET}/{RUN}")
    finished = kept_evaluation(kept, "code", STAGE, Path("base"), training.output, Path("test.parquet"))
    finished.keep([Path("completions.parquet")])
    return tmp_path


def planned(why_data=(), why_train=(DELETED,), **changes):
    """The jobs of a plan; changes are of the parameters of the training."""
    params = {"base": "base", "names": '["tiny"]', "settings": settings(), "code": "train-code", **changes}
    if not isinstance(params["settings"], str):
        params["settings"] = stage_text(params["settings"])
    files = {name: f"{name}.parquet" for name in ("train", "test", "control_prompts")}
    stage = json.dumps(STAGE.model_dump(mode="json"))
    evaluation = {"base": "base", "adapter": f"--adapter results/adapters/{RUN}", "settings": stage, "code": "code"}
    made = [
        Job("build_dataset", {"dataset": "d"}, list(why_data)),
        Job(
            "train", {"run": RUN}, list(why_train), ["build_dataset/d"],
            params=params, inputs=files,
        ),
        Job(
            "complete", {"set": SET, "run": RUN}, [DELETED], [f"train/{RUN}"],
            params=evaluation, inputs={"dataset": "test.parquet"},
        ),
    ]  # fmt: skip
    return {job.key: job for job in made}


def stage_text(given):
    """Settings as the workflow passes them: all keys, in their order."""
    from feyntune.config.schema.training import TrainingStage

    return json.dumps(TrainingStage.model_validate(given).model_dump(mode="json"), sort_keys=True)


BOTH = {f"train/{RUN}", f"complete/{SET}/{RUN}"}


def test_a_training_and_the_completions_of_its_adapter_are_restored(folder):
    shutil.rmtree(f"results/adapters/{RUN}")
    assert restored_jobs(planned()) == BOTH


def test_an_adapter_that_is_not_stale_counts_as_it_is(folder):
    assert restored_jobs(planned(why_train=())) == BOTH - {f"train/{RUN}"}
    Path(f"results/adapters/{RUN}/adapter_model.safetensors").unlink()
    Path(f"results/adapters/{RUN}/adapter_model.safetensors").write_text("other weights")
    assert restored_jobs(planned(why_train=())) == set()


@pytest.mark.parametrize("change", [{"code": "other"}, {"names": '["other"]'}, {"settings": settings(seed=8)}])
def test_another_training_is_not_restored_nor_what_hangs_on_it(folder, change):
    assert restored_jobs(planned(**change)) == set()


def test_inputs_that_are_made_again_leave_it_open(folder):
    assert restored_jobs(planned(why_data=[NEW])) == set()


def test_other_data_restores_nothing(folder):
    Path("train.parquet").write_text("other papers")
    assert restored_jobs(planned()) == set()


def test_large_files_are_not_read_for_a_plan(folder, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
    monkeypatch.setattr(hashing, "LARGE", 0)
    monkeypatch.setattr(hashing, "SETTLED", -1)
    assert restored_jobs(planned()) == set()
    for path in [Path("base/config.json"), *folder.glob("*.parquet")]:
        known_digest(path)
    assert restored_jobs(planned()) == BOTH
