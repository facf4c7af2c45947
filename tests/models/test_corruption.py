"""Damaged files of models, adapters and tokenizers end in one line; nothing runs code of theirs."""

import json
import pickle
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from feyntune.config.schema.models import Precision, Quantization
from feyntune.core.tensors import read_tensors, write_tensors
from feyntune.models.dequantize import DequantizeJob, run
from feyntune.models.load import linear_layers, load_adapter, load_base
from feyntune.models.tokenizer import load_tokenizer
from feyntune.models.tokens import load_config, load_tokens
from support.damage import DAMAGES, damage, refusal

PLAIN, FP32 = Quantization(method="none"), Precision(dtype="float32")


@pytest.fixture
def model(tiny_model, tmp_path):
    return shutil.copytree(tiny_model, tmp_path / "model")


@pytest.fixture
def adapter(tiny_adapter, tmp_path):
    return shutil.copytree(tiny_adapter, tmp_path / "adapter")


@pytest.fixture(scope="module")
def base(tiny_model):
    return load_base(tiny_model, PLAIN, FP32)


@pytest.mark.parametrize("how", DAMAGES)
@pytest.mark.parametrize("file", ["config.json", "model.safetensors"])
def test_a_damaged_model_is_one_line(model, file, how):
    damage(model / file, how)
    refusal(lambda: load_base(model, PLAIN, FP32), model, "model")


@pytest.mark.parametrize("how", DAMAGES)
@pytest.mark.parametrize("file", ["tokenizer.json", "tokenizer_config.json", "config.json", "generation_config.json"])
def test_a_damaged_tokenizer_or_configuration_is_one_line(model, file, how):
    damage(model / file, how)
    refusal(lambda: load_tokens(model), model, "model")


@pytest.mark.parametrize(
    "content", ["[]", "3", "null", "{}", '{"model_type": 5}', '{"model_type": "llama", "vocab_size": "x"}']
)
def test_a_configuration_of_something_else_is_one_line(model, content):
    (model / "config.json").write_text(content)
    refusal(lambda: load_tokens(model), model, "model")


@pytest.mark.parametrize("how", DAMAGES)
@pytest.mark.parametrize("file", ["adapter_config.json", "adapter_model.safetensors"])
def test_a_damaged_adapter_is_one_line(base, adapter, file, how):
    damage(adapter / file, how)
    refusal(lambda: load_adapter(base, adapter, ["tiny"]), adapter, "adapter")


CHANGES = [
    {"peft_type": "NONE"}, {"peft_type": None}, {"r": -1}, {"r": "x"}, {"target_modules": ["none"]},
    {"target_modules": 5}, {"lora_alpha": None}, {"base_model_name_or_path": ["tiny"]},
]  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_an_adapter_of_another_kind_is_one_line(base, adapter, change):
    path = adapter / "adapter_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    refusal(lambda: load_adapter(base, adapter, ["tiny"]), adapter, "adapter")


@pytest.mark.parametrize("file", ["adapter_config.json", "adapter_model.safetensors"])
def test_a_missing_file_or_a_folder_in_its_place_is_one_line(base, adapter, file):
    (adapter / file).unlink()
    refusal(lambda: load_adapter(base, adapter, ["tiny"]), adapter, file)
    (adapter / file).mkdir()
    refusal(lambda: load_adapter(base, adapter, ["tiny"]), adapter, "adapter")


def test_missing_folders_are_one_line(base, tmp_path):
    none = tmp_path / "none"
    for load in (load_tokenizer, load_tokens, lambda folder: load_base(folder, PLAIN, FP32)):
        refusal(lambda load=load: load(none), tmp_path, "none: no ")
    refusal(lambda: load_adapter(base, none, ["tiny"]), tmp_path, "none/adapter_config.json: no such file")


class Attack:
    """What a pickle runs when it is loaded carelessly."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def test_pickles_are_not_loaded(model, tmp_path):
    victim, path = tmp_path / "victim", tmp_path / "x.pt"
    (model / "model.safetensors").unlink()
    torch.save({"weight": Attack(victim)}, model / "pytorch_model.bin")
    refusal(lambda: load_base(model, PLAIN, FP32), model, "model")
    torch.save({"ids": Attack(victim)}, path)
    refusal(lambda: read_tensors(path, ["ids"]), tmp_path, "x.pt")
    path.write_bytes(pickle.dumps({"ids": Attack(victim)}))
    refusal(lambda: read_tensors(path, ["ids"]), tmp_path, "x.pt")
    assert not victim.exists()


def test_a_models_own_code_is_neither_run_nor_asked_for(model, monkeypatch):
    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("asked"))
    path = model / "config.json"
    path.write_text(json.dumps({"model_type": "other", "auto_map": {"AutoConfig": "code.Other"}}))
    (model / "code.py").write_text("raise SystemExit('run')")
    refusal(lambda: load_tokens(model), model, "not a model's configuration")


@pytest.mark.parametrize("how", DAMAGES)
def test_a_damaged_file_of_tensors_is_one_line(tmp_path, how):
    path = tmp_path / "x.pt"
    write_tensors(path, {"ids": ["a", "b"], "embeddings": torch.rand(60, 20)})
    damage(path, how)
    refusal(lambda: read_tensors(path, ["ids", "embeddings"]), tmp_path, "x.pt")


def test_a_file_of_other_tensors_is_one_line(tmp_path):
    path = tmp_path / "x.pt"
    for content in ([1], {"other": 1}, torch.zeros(2)):
        torch.save(content, path)
        refusal(lambda: read_tensors(path, ["ids"]), tmp_path, "x.pt: no 'ids' in it")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("method", ["none", "nf4"])
def test_weights_that_are_not_finite_are_one_line(model, base, adapter, method, value):
    of_adapter = "base_model.model.model.layers.1.self_attn.v_proj.lora_B.weight"
    change_tensor(adapter / "adapter_model.safetensors", of_adapter, value)
    assert "v_proj.lora_B" in refusal(lambda: load_adapter(base, adapter, ["tiny"]), adapter, "not finite")
    of_model = "model.layers.1.mlp.down_proj.weight"
    change_tensor(model / "model.safetensors", of_model, value)
    assert of_model in refusal(lambda: load_base(model, Quantization(method=method), FP32), model, "not finite")


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32"])
def test_quantised_weights_in_the_bytes_of_other_numbers_are_no_numbers(model, dtype):
    """For FSDP four bits are stored in such tensors: read as numbers, some of them are NaN."""
    loaded = load_base(model, Quantization(method="nf4"), Precision(dtype=dtype), divided=True)
    packed = [each for each in loaded.parameters() if getattr(each, "quant_state", None)]
    assert {str(each.dtype) for each in packed} == {f"torch.{dtype}"}
    assert not all(each.isfinite().all() for each in packed)


def change_tensor(path, name, value):
    """Set one weight of a file."""
    content = load_file(path)
    content[name].view(-1)[5] = value
    save_file(content, path, {"format": "pt"})


@pytest.mark.parametrize("value", ["x", [None, "x"], {"x": 1}, 1.5])
def test_end_tokens_that_are_no_ids_are_one_line(model, value):
    change_json(model / "generation_config.json", eos_token_id=value)
    refusal(lambda: load_tokens(model), model, "generation_config.json")


@pytest.mark.parametrize("change", [{"model_max_length": "x"}, {"model_max_length": [1]}])
def test_settings_of_a_tokenizer_that_fail_when_it_is_used_are_one_line(model, change):
    change_json(model / "tokenizer_config.json", **change)
    refusal(lambda: load_tokenizer(model), model, "no readable tokenizer")


@pytest.mark.parametrize("change", [{"head_dim": -4}, {"hidden_act": "x"}, {"vocab_size": -1}])
def test_sizes_that_cannot_be_are_one_line(model, change):
    change_json(model / "config.json", **change)
    refusal(lambda: linear_layers(load_config(model)), model, "config.json: describes no model")
    refusal(lambda: load_base(model, PLAIN, FP32), model, "cannot be loaded")


def test_a_model_of_other_shapes_says_so(model):
    change_json(model / "config.json", vocab_size=50)
    line = refusal(lambda: load_base(model, PLAIN, FP32), model, "cannot be loaded")
    assert "its weights have other shapes than its configuration says" in line


def test_damaged_tokenizers_are_not_copied_into_another_model(model, tmp_path):
    damage(model / "tokenizer.json", "cut")
    job = DequantizeJob(PLAIN, FP32, model, None, ["tiny"], tmp_path / "out")
    refusal(lambda: run(job), model, "no readable tokenizer", tmp_path / "out")


@pytest.mark.parametrize("file", ["config.json", "tokenizer.json", "generation_config.json", "model.safetensors"])
def test_every_file_of_a_made_model_is_checked(model, tmp_path, file):
    made = tmp_path / "made"
    run(DequantizeJob(PLAIN, FP32, model, None, ["tiny"], made))
    path = made / file
    content = path.read_bytes()
    path.write_bytes(content[:-20] + bytes([content[-20] ^ 1]) + content[-19:])
    refusal(lambda: load_base(made, PLAIN, FP32), made, f"{file}: damaged")


def test_an_activated_adapter_is_refused(base, adapter):
    change_json(adapter / "adapter_config.json", alora_invocation_tokens=[1])
    refusal(lambda: load_adapter(base, adapter, ["tiny"]), adapter, "aLoRA")


def change_json(path, **changes):
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
