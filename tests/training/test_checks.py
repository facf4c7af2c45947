"""Invalid trainings are refused in one line, before a model is loaded."""

import pytest

from feyntune.config.schema.models import Precision, Quantization
from feyntune.core.errors import FeynTuneError
from feyntune.core.locks import locked
from feyntune.training import checks, job, memory
from support.small_training import settings, training_job, write_data


@pytest.fixture(autouse=True)
def no_model_is_loaded(monkeypatch):
    def loaded(*_):
        raise AssertionError("a model was loaded")

    monkeypatch.setattr("feyntune.training.adapter.load_adapted", loaded)


def refuses(base, tmp_path, message, given=None, **changes):
    with pytest.raises(FeynTuneError, match=message) as caught:
        job.train(training_job(base, write_data(tmp_path), tmp_path, given, **changes))
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "adapter").exists()


@pytest.mark.parametrize(
    "changes, message",
    [
        (
            {"target_modules": ["q_proj", "qkv"]},
            "llama has no layer 'qkv'; it has down_proj, gate_proj, k_proj, o_proj, q_proj, up_proj, v_proj",
        ),
        (
            {"training": {"schedule": {"name": "cosine_with_min_lr", "arguments": {"min_rate": 0.1}}}},
            "training.schedule: cannot create cosine_with_min_lr .*min_rate",
        ),
        ({"training": {"max_length": 512}}, "training.max_length: 512 exceeds the model's 256 tokens"),
        ({"training": {"max_length": 40}}, r"train.parquet: \d+ of 30 abstracts have more than 40 tokens"),
        ({"quantization": {"method": "int8"}}, "int8 needs a GPU; .* nf4, fp4 or none on this machine"),
        (
            {"precision": {"attention": "flash_attention_2"}},
            "flash_attention_2 is not installed on this machine; set it to auto or sdpa",
        ),
        ({"precision": {"dtype": "float16"}}, "float16 needs a GPU; set it to bfloat16 or float32"),
    ],
)
def test_refused_before_a_model_is_loaded(tiny_model, tmp_path, changes, message):
    refuses(tiny_model, tmp_path, message, settings(**changes))


def test_a_batch_size_that_is_not_a_multiple_of_the_gpus(tiny_model, tmp_path):
    refuses(tiny_model, tmp_path, "4 is not a multiple of 3 GPUs; set it to 3 or 6, or change 'gpus'", gpus=3)
    refuses(tiny_model, tmp_path, "4 is not a multiple of 8 GPUs; set it to 8, or change 'gpus'", gpus=8)


def test_a_folder_without_a_model(tmp_path):
    refuses(tmp_path, tmp_path, "has no config.json; name a Hugging Face model folder")


def test_a_folder_in_which_another_process_trains(tiny_model, tmp_path):
    with locked(tmp_path / "checkpoints"):
        refuses(tiny_model, tmp_path, "another process is using it")


def test_more_gpus_than_the_machine_has(monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    checks.check_machine(Quantization(), Precision(), 2, torch.device("cuda", 0))
    with pytest.raises(FeynTuneError, match="gpus: 3 requested, and this job sees 2"):
        checks.check_machine(Quantization(), Precision(), 3, torch.device("cuda", 0))


@pytest.mark.parametrize("given, now", [({}, "auto"), ({"per_device_batch_size": 2}, 2)])
@pytest.mark.parametrize("kind", ["gpu", "processor"])
def test_the_out_of_memory_error_names_three_settings_in_order(given, now, kind):
    import torch

    from feyntune.config.schema.training import TrainingStage

    training = TrainingStage.model_validate(settings(training=given)).training
    pattern = r"per_device_batch_size \(now {}.*gradient_checkpointing \(now false.*max_length \(now unset"
    with pytest.raises(FeynTuneError, match=pattern.format(now)), memory.explain_out_of_memory(training, 2400):
        if kind == "gpu":
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB\nmore")
        torch.empty(2**50)


def test_other_errors_are_not_reported_as_out_of_memory():
    with pytest.raises(RuntimeError, match="shapes"), memory.explain_out_of_memory(None, 0):
        raise RuntimeError("shapes do not fit")
