"""Dequantised models: the numbers that training multiplies with, in an ordinary model folder."""

import json

import bitsandbytes
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from feyntune.config.schema.models import Precision, Quantization
from feyntune.core.errors import FeynTuneError
from feyntune.core.hashing import digest
from feyntune.evaluation.perplexity_batches import evaluate_batch
from feyntune.evaluation.perplexity_inputs import encode_abstracts
from feyntune.models import dequantize
from feyntune.models.load import load_adapter, load_base
from feyntune.models.tokens import load_tokens
from support.programs import load_program

program = load_program("dequantize")
STORAGES = [("nf4", True, "float32"), ("nf4", False, "bfloat16"), ("fp4", True, "bfloat16")]


def write(base, output, method="nf4", double=True, dtype="float32", adapter=None):
    quantization, precision = Quantization(method=method, double=double), Precision(dtype=dtype)
    dequantize.run(dequantize.DequantizeJob(quantization, precision, base, adapter, ["tiny"], output))
    return quantization, precision


@pytest.mark.parametrize(("method", "double", "dtype"), STORAGES)
def test_weights_are_those_that_bitsandbytes_multiplies_with(tiny_model, tmp_path, method, double, dtype):
    quantization, precision = write(tiny_model, tmp_path / "out", method, double, dtype)
    quantised = load_base(tiny_model, quantization, precision)
    written = AutoModelForCausalLM.from_pretrained(tmp_path / "out")
    state, checked = written.state_dict(), 0
    assert written.dtype == getattr(torch, dtype)
    assert not hasattr(written.config, "quantization_config")
    for name, module in quantised.named_modules():
        if isinstance(module, bitsandbytes.nn.Linear4bit):
            weight = bitsandbytes.functional.dequantize_4bit(module.weight.data, module.weight.quant_state)
            assert torch.equal(state[f"{name}.weight"], weight)
            checked += 1
    assert checked == 14
    original = AutoModelForCausalLM.from_pretrained(tiny_model, dtype=written.dtype).state_dict()
    assert torch.equal(state["lm_head.weight"], original["lm_head.weight"])
    assert not torch.equal(state["model.layers.0.mlp.up_proj.weight"], original["model.layers.0.mlp.up_proj.weight"])


@pytest.mark.parametrize(("method", "double", "dtype"), STORAGES)
def test_perplexities_are_those_of_the_quantised_model(tiny_model, tmp_path, abstracts, method, double, dtype):
    quantization, precision = write(tiny_model, tmp_path / "out", method, double, dtype)
    sequences = encode_abstracts(load_tokens(tiny_model), *abstracts, "truncate").sequences
    models = (
        load_base(tiny_model, quantization, precision),
        load_base(tmp_path / "out", Quantization(method="none"), precision),
    )
    (expected, states), (values, others) = (evaluate_batch(model.eval(), sequences, 1) for model in models)
    tolerance = 1e-6 if dtype == "float32" else 1e-2
    assert values == pytest.approx(expected, rel=tolerance)
    assert others == pytest.approx(states, abs=10 * tolerance)


def test_the_folder_has_the_tokenizer_and_digests(tiny_model, tmp_path):
    write(tiny_model, tmp_path / "out")
    text = "We study strings."
    tokenizers = [AutoTokenizer.from_pretrained(folder) for folder in (tiny_model, tmp_path / "out")]
    assert tokenizers[0](text)["input_ids"] == tokenizers[1](text)["input_ids"]
    digests = json.loads((tmp_path / "out" / dequantize.DIGESTS).read_text())
    names = {path.name for path in (tmp_path / "out").iterdir()} - {dequantize.DIGESTS}
    assert digests == {name: digest(tmp_path / "out" / name) for name in names} and "tokenizer.json" in names
    modes = {path.stat().st_mode for path in (tmp_path / "out").iterdir()}
    assert len(modes) == 1  # whoever may read the configuration may read the weights


def test_files_of_an_earlier_model_are_removed(tiny_model, tmp_path, monkeypatch):
    monkeypatch.setattr(dequantize, "SHARD_SIZE", "20KB")
    write(tiny_model, tmp_path / "out")
    shards = list((tmp_path / "out").glob("*.safetensors"))
    assert len(shards) > 2
    monkeypatch.setattr(dequantize, "SHARD_SIZE", "2GB")
    write(tiny_model, tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").glob("*.safetensors")] == ["model.safetensors"]


def test_a_merged_model_computes_as_with_the_adapter(tiny_model, tiny_adapter, tmp_path):
    quantization, precision = write(tiny_model, tmp_path / "out", adapter=tiny_adapter)
    tokens = torch.arange(2, 60)[None]
    with torch.no_grad():
        apart = load_adapter(load_base(tiny_model, quantization, precision), tiny_adapter, ["tiny"])(tokens).logits
        merged = AutoModelForCausalLM.from_pretrained(tmp_path / "out")(tokens).logits
    assert torch.allclose(merged, apart, atol=1e-3)


def test_the_program_refuses_an_adapter_of_another_model(tiny_model, tiny_adapter, tmp_path, parse):
    settings = json.dumps({"quantization": {}, "precision": {"dtype": "float32"}, "base_names": ["llama"]})
    options = parse(program, base=tiny_model, adapter=tiny_adapter, settings=settings, output=tmp_path / "out")
    with pytest.raises(FeynTuneError, match="adapter made for base model 'tiny', not 'llama'"):
        program.main(options)
    assert not (tmp_path / "out").exists()
