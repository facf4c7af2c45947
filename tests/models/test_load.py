"""Models and adapters whose files do not belong together are refused, never evaluated with random or no weights."""

import json
import logging
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from feyntune.config.schema.models import Precision, Quantization
from feyntune.core.errors import FeynTuneError
from feyntune.models import load
from feyntune.models.load import load_adapter, load_base
from feyntune.models.tokenizer import load_tokenizer
from feyntune.models.tokens import context_length

NF4, PLAIN = Quantization(), Quantization(method="none")
FP32 = Precision(dtype="float32")
UP = "model.layers.1.mlp.up_proj.weight"
LARGE = {  # Llama 2 7B
    "hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32, "num_attention_heads": 32,
    "num_key_value_heads": 32, "vocab_size": 32000, "head_dim": 128,
}  # fmt: skip
LORA_A = "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight"


@pytest.fixture
def copy(tmp_path):
    """A function that copies a folder and edits the tensors of its weights and its configuration."""

    def copy(folder, weights, edit=lambda tensors: tensors, configuration=None):
        target = tmp_path / "copy"
        shutil.copytree(folder, target)
        save_file(edit(load_file(target / weights)), target / weights, metadata={"format": "pt"})
        if configuration:
            path = target / "config.json"
            path.write_text(json.dumps({**json.loads(path.read_text()), **configuration}))
        return target

    return copy


def refused(function, *arguments):
    with pytest.raises(FeynTuneError) as caught:
        function(*arguments)
    message = str(caught.value)
    assert "\n" not in message
    return message


def without(name):
    return lambda tensors: {key: value for key, value in tensors.items() if key != name}


def renamed(tensors):
    return {key.replace("q_proj", "query"): value for key, value in tensors.items()}


def reshaped(tensors):
    return {**tensors, UP: torch.zeros(3, 32)}


@pytest.mark.parametrize("quantization", [NF4, PLAIN], ids=["nf4", "none"])
@pytest.mark.parametrize(
    ("edit", "configuration", "fault"),
    [
        (without(UP), None, f"its weights lack {UP};"),
        (lambda tensors: {}, None, "its weights lack lm_head.weight and "),
        (
            lambda tensors: {**tensors, "model.layers.9.x": torch.zeros(2)},
            None,
            "the model lacks, model.layers.9.x",
        ),
        (renamed, None, "its weights lack model.layers.0.self_attn.q_proj.weight and 1 more"),
        (reshaped, None, "copy: "),
        (lambda tensors: tensors, {"num_hidden_layers": 3}, "its weights lack model.layers.2."),
        (lambda tensors: tensors, {"num_hidden_layers": 1}, "the model lacks, model.layers.1."),
        (lambda tensors: tensors, {"model_type": "gpt2", "architectures": ["GPT2LMHeadModel"]}, "its weights lack "),
        (lambda tensors: tensors, {"model_type": "none-such"}, "not a model's configuration ("),
        (lambda tensors: tensors, {"hidden_size": -3}, "not a model's configuration ("),
        (lambda tensors: tensors, LARGE, "its configuration has 6,738,415,616 parameters, its files 1"),
    ],
    ids=[
        "missing",
        "empty",
        "extra",
        "renamed",
        "shape",
        "more-layers",
        "fewer-layers",
        "architecture",
        "unknown",
        "negative",
        "large",
    ],
)
def test_a_base_model_whose_files_do_not_fit_is_refused(tiny_model, copy, quantization, edit, configuration, fault):
    folder = copy(tiny_model, "model.safetensors", edit, configuration)
    assert fault in refused(load_base, folder, quantization, FP32)


def test_quantised_weights_of_another_shape_are_named(tiny_model, copy):
    folder = copy(tiny_model, "model.safetensors", reshaped)
    expected = "model.layers.1.mlp.up_proj has 3 x 32 weights, its configuration says 64 x 32"
    assert expected in refused(load_base, folder, NF4, FP32)


@pytest.mark.parametrize("content", [b"", b"x" * 100, None])
def test_broken_weights_are_one_line(tiny_model, copy, content):
    folder = copy(tiny_model, "model.safetensors")
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100] if content is None else content)
    assert "cannot be loaded (" in refused(load_base, folder, PLAIN, FP32)


def test_a_folder_without_model_or_weights_is_one_line(tiny_model, copy, tmp_path):
    assert "no config.json there" in refused(load_base, tmp_path / "none", PLAIN, FP32)
    folder = copy(tiny_model, "model.safetensors")
    (folder / "model.safetensors").unlink()
    assert "cannot be loaded (" in refused(load_base, folder, PLAIN, FP32)
    (folder / "config.json").write_text("{")
    assert "not valid JSON (" in refused(load_base, folder, PLAIN, FP32)


@pytest.mark.parametrize("quantization", [NF4, PLAIN], ids=["nf4", "none"])
def test_a_whole_model_and_adapter_load_and_differ_from_the_base_model(tiny_model, tiny_adapter, quantization):
    base = load_base(tiny_model, quantization, FP32).eval()
    tokens = torch.tensor([[0, 5, 7, 9]])
    with torch.no_grad():
        before = base(tokens).logits
        after = load_adapter(base, tiny_adapter, ["tiny"])(tokens).logits
    assert not torch.allclose(before, after)
    assert context_length(base.config) == 256


@pytest.mark.parametrize(
    ("edit", "fault"),
    [
        (renamed, "its weights lack "),
        (lambda tensors: {}, "its weights lack "),
        (without(LORA_A), f"its weights lack {LORA_A.removesuffix('.weight')}"),
        (lambda tensors: {key: value for key, value in tensors.items() if "lora_A" in key}, "its weights lack "),
        (lambda tensors: {**tensors, LORA_A.replace("q_proj", "o_proj"): torch.zeros(4, 32)}, "the model lacks, "),
        (lambda tensors: {**tensors, LORA_A: torch.zeros(9, 32)}, "cannot be loaded ("),
    ],
    ids=["renamed", "empty", "one-missing", "half", "extra", "shape"],
)
def test_an_adapter_whose_tensors_do_not_fit_is_refused(tiny_model, tiny_adapter, copy, edit, fault):
    folder = copy(tiny_adapter, "adapter_model.safetensors", edit)
    assert fault in refused(load_adapter, load_base(tiny_model, PLAIN, FP32), folder, ["tiny"])


def test_an_adapter_without_weights_or_for_another_base_model_is_refused(tiny_model, tiny_adapter, copy):
    folder = copy(tiny_adapter, "adapter_model.safetensors")
    base = load_base(tiny_model, PLAIN, FP32)
    assert "adapter made for base model 'tiny', not 'other'" in refused(load_adapter, base, folder, ["other"])
    (folder / "adapter_model.safetensors").write_bytes(b"junk")
    assert "cannot be loaded (" in refused(load_adapter, base, folder, ["tiny"])


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("CUDA error: out of memory"),
        MemoryError(),
    ],
)
def test_out_of_memory_while_loading_is_one_line_with_a_remedy(tiny_model, monkeypatch, error):
    from transformers import AutoModelForCausalLM

    def fail(*_, **__):
        raise error

    monkeypatch.setattr(AutoModelForCausalLM, "from_pretrained", fail)
    message = refused(load_base, tiny_model, PLAIN, FP32)
    assert message.startswith("out of memory while loading the base model; use quantization.method nf4")


@pytest.mark.parametrize("break_it", [lambda path: path.write_text("{"), lambda path: path.unlink()])
def test_a_broken_tokenizer_is_one_line(tiny_model, copy, break_it):
    folder = copy(tiny_model, "model.safetensors")
    break_it(folder / "tokenizer.json")
    assert "no readable tokenizer" in refused(load_tokenizer, folder)


def test_int8_says_once_that_it_casts(monkeypatch, caplog):
    monkeypatch.setattr(load, "check_quantization", lambda *_: None)
    logger = logging.getLogger("bitsandbytes.autograd._functions")
    for _ in range(2):
        load._bitsandbytes(Quantization(method="int8"), FP32, torch.device("cpu"))
    with caplog.at_level(logging.WARNING, logger.name):
        for _ in range(3):
            logger.warning("inputs will be cast from %s", torch.bfloat16)
            logger.warning("another message")
    assert [record.getMessage() for record in caplog.records] == [
        "inputs will be cast from torch.bfloat16",
        "another message",
    ]
    for each in list(logger.filters):
        logger.removeFilter(each)
