"""What cannot be trained is refused in one line, before a model is loaded."""

import pytest

from feyntune.config.schema.models import Precision, Quantization
from feyntune.core.errors import FeynTuneError
from feyntune.core.locks import locked
from feyntune.training import checks, job, memory
from support.small_training import options, settings, write_data


@pytest.fixture(autouse=True)
def no_model_is_loaded(monkeypatch):
    def loaded(*_):
        raise AssertionError("a model was loaded")

    monkeypatch.setattr("feyntune.training.model.load_adapted", loaded)


def refuses(base, tmp_path, message, given=None, **changes):
    with pytest.raises(FeynTuneError, match=message) as caught:
        job.train(options(base, write_data(tmp_path), tmp_path, given, **changes))
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "adapter").exists()


@pytest.mark.parametrize(
    "changes, message",
    [
        (
            {"target_modules": ["q_proj", "qkv"]},
            "llama has no layer 'qkv'; it has down_proj, gate_proj, k_proj, o_proj, q_proj, up_proj, v_proj",
        ),
        ({"training": {"optimizer": {"name": "adamm"}}}, "training.optimizer.name: there is no 'adamm'; there is ada"),
        (
            {"training": {"schedule": {"name": "cosin"}}},
            "training.schedule.name: there is no 'cosin'; .*cosine",
        ),
        ({"training": {"schedule": {"name": "reduce_lr_on_plateau"}}}, "there is no 'reduce_lr_on_plateau'"),
        (
            {"training": {"schedule": {"name": "cosine_with_min_lr", "arguments": {"min_rate": 0.1}}}},
            "training.schedule: cosine_with_min_lr cannot be made: .*min_rate",
        ),
        ({"training": {"max_length": 512}}, "training.max_length: 512 is more than the model's 256"),
        ({"training": {"max_length": 40}}, r"train.parquet: \d+ of 30 abstracts have more than 40 tokens"),
        ({"quantization": {"method": "int8"}}, "int8 needs a GPU; take nf4, fp4 or none on this machine"),
        (
            {"precision": {"attention": "flash_attention_2"}},
            "flash_attention_2 is not there on this machine; take auto or sdpa",
        ),
        ({"precision": {"dtype": "float16"}}, "float16 needs a GPU; take bfloat16 or float32"),
    ],
)
def test_refused_before_a_model_is_loaded(tiny_model, tmp_path, changes, message):
    refuses(tiny_model, tmp_path, message, settings(**changes))


def test_a_batch_that_devices_do_not_divide(tiny_model, tmp_path):
    refuses(tiny_model, tmp_path, "3 GPUs do not divide 4; take 3 or 6, or other 'gpus'", gpus=3)
    refuses(tiny_model, tmp_path, "8 GPUs do not divide 4; take 8, or other 'gpus'", gpus=8)


def test_no_model_in_the_folder(tmp_path):
    refuses(tmp_path, tmp_path, "no config.json there; name a Hugging Face model folder")


def test_a_folder_where_another_process_trains(tiny_model, tmp_path):
    with locked(tmp_path / "checkpoints"):
        refuses(tiny_model, tmp_path, "another process is using it")


def test_more_gpus_than_there_are(monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    checks.check_machine(Quantization(), Precision(), 2, torch.device("cuda", 0))
    with pytest.raises(FeynTuneError, match="gpus: 3 are asked for, and this job sees 2"):
        checks.check_machine(Quantization(), Precision(), 3, torch.device("cuda", 0))


@pytest.mark.parametrize("given, now", [({}, 4), ({"per_device_batch_size": 2}, 2)])
@pytest.mark.parametrize("kind", ["gpu", "processor"])
def test_out_of_memory_names_three_settings_in_order(given, now, kind):
    import torch

    from feyntune.config.schema.training import TrainingStage

    training = TrainingStage.model_validate(settings(training=given)).training
    names = r"per_device_batch_size \(now {}.*gradient_checkpointing \(now false.*max_length \(now that of the model"
    with pytest.raises(FeynTuneError, match=names.format(now)), memory.remedy(training, 2400):
        if kind == "gpu":
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB\nmore")
        torch.empty(2**50)


def test_other_faults_are_not_taken_for_want_of_memory():
    with pytest.raises(RuntimeError, match="shapes"), memory.remedy(None, 0):
        raise RuntimeError("shapes do not fit")
