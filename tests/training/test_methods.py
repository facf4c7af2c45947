"""PiSSA, LoftQ, NEFTune and LoRA+: each has its effect, resumes exactly, and refuses what it does not combine with."""

import json

import numpy as np
import pytest
import torch

from feyntune.config.schema.training import TrainingStage
from feyntune.core.errors import FeynTuneError
from feyntune.training import job
from feyntune.training.adapter import load_adapted
from feyntune.training.loss import EmbeddingNoise
from feyntune.training.trainer import AdapterTrainer
from support.small_training import settings, training_job, weights

PLAIN = {"quantization": {"method": "none"}}
METHODS = {
    "pissa": {**PLAIN, "lora": {"init": "pissa"}},
    "loftq": {"lora": {"init": "loftq"}},
    "neftune": {"training": {"neftune_noise_alpha": 5}},
    "lora_plus": {"training": {"optimizer": {"learning_rate": 1e-3, "lora_plus_ratio": 8}}},
}


class StopError(Exception):
    """Simulates the death of the process."""


def stage_of(**changes):
    return TrainingStage.model_validate(settings(**changes))


@pytest.mark.parametrize("method", METHODS)
def test_resumed_equals_uninterrupted_to_the_bit(tiny_model, data, tmp_path, monkeypatch, method):
    given = settings(**METHODS[method])
    job.train(training_job(tiny_model, data, tmp_path / "whole", given))
    original, calls = AdapterTrainer.training_step, iter(range(10**6))

    def dies(self, *arguments, **others):
        if next(calls) == 5:
            raise StopError
        return original(self, *arguments, **others)

    with monkeypatch.context() as patch:
        patch.setattr(AdapterTrainer, "training_step", dies)
        with pytest.raises(StopError):
            job.train(training_job(tiny_model, data, tmp_path / "resumed", given))
    job.train(training_job(tiny_model, data, tmp_path / "resumed", given))
    assert weights(tmp_path / "resumed") == weights(tmp_path / "whole")
    for name in ("adapter_config.json", "history.parquet"):
        assert (tmp_path / "resumed/adapter" / name).read_bytes() == (tmp_path / "whole/adapter" / name).read_bytes()


@pytest.mark.parametrize("method", METHODS)
def test_each_method_gives_another_adapter(tiny_model, data, tmp_path, method):
    changes = METHODS[method]
    without = {**changes, "lora": {}, "training": {"optimizer": {"learning_rate": 1e-3 if "plus" in method else 1e-2}}}
    short = {"max_steps": 2, "evaluation": {"times": 1, "control_prompts": 0}}
    for name, given in (("with", changes), ("without", without)):
        training = {**short, **given.get("training", {})}
        job.train(training_job(tiny_model, data, tmp_path / name, settings(**{**given, "training": training})))
    assert weights(tmp_path / "with") != weights(tmp_path / "without")


def logits_of(model):
    with torch.no_grad():
        return model(input_ids=torch.tensor([[0, 5, 6, 7, 8, 9]])).logits


def base_model(tiny_model):
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(tiny_model).eval()


def test_pissa_starts_as_the_base_model_with_its_largest_singular_values_in_the_adapter(tiny_model):
    torch.manual_seed(0)
    model = load_adapted(tiny_model, "tiny", stage_of(**METHODS["pissa"])).eval()
    torch.testing.assert_close(logits_of(model), logits_of(base_model(tiny_model)), rtol=1e-4, atol=1e-4)
    layer = model.get_base_model().model.layers[0].self_attn.q_proj
    before = base_model(tiny_model).model.layers[0].self_attn.q_proj.weight
    largest, left = torch.linalg.svdvals(before), torch.linalg.svdvals(layer.get_base_layer().weight)
    torch.testing.assert_close(left[0], largest[4], rtol=1e-2, atol=1e-2)  # rank 4 is in the adapter
    update = layer.scaling["default"] * layer.lora_B["default"].weight @ layer.lora_A["default"].weight
    torch.testing.assert_close(torch.linalg.svdvals(update)[:4], largest[:4], rtol=1e-2, atol=1e-2)


@pytest.mark.parametrize("use_rslora", [False, True])
def test_a_pissa_adapter_is_an_ordinary_one_for_the_unchanged_base_model(
    tiny_model, data, tmp_path, monkeypatch, use_rslora
):
    from peft import PeftModel

    from feyntune.training import record

    trained, publish = [], record.publish

    def noted_publish(save, *given):
        trained.append(save.__self__.model.eval())  # a method of the trainer
        publish(save, *given)

    monkeypatch.setattr(job, "publish", noted_publish)
    given = settings(**PLAIN, lora={"init": "pissa", "use_rslora": use_rslora})
    job.train(training_job(tiny_model, data, tmp_path, given))
    loaded = PeftModel.from_pretrained(base_model(tiny_model), tmp_path / "adapter").eval()
    torch.testing.assert_close(logits_of(loaded), logits_of(trained[0]), rtol=1e-3, atol=1e-3)
    assert not torch.allclose(logits_of(loaded), logits_of(base_model(tiny_model)), atol=1e-2)
    config = json.loads((tmp_path / "adapter" / "adapter_config.json").read_text())
    assert (config["r"], config["init_lora_weights"]) == (8, True)


def test_loftq_starts_nearer_to_the_unquantised_model(tiny_model):
    distances = {}
    for init in ("default", "loftq"):
        torch.manual_seed(0)
        model = load_adapted(tiny_model, "tiny", stage_of(lora={"init": init})).get_base_model()
        layer = model.model.layers[0].mlp.down_proj
        base = layer.get_base_layer().weight
        from bitsandbytes.functional import dequantize_4bit

        update = layer.scaling["default"] * layer.lora_B["default"].weight @ layer.lora_A["default"].weight
        now = dequantize_4bit(base.data, base.quant_state) + update
        distances[init] = (now - base_model(tiny_model).model.layers[0].mlp.down_proj.weight).norm().item()
    assert distances["loftq"] < 0.9 * distances["default"]


def test_loftq_reads_weights_in_several_files(tiny_model, tmp_path):
    from transformers import AutoModelForCausalLM

    AutoModelForCausalLM.from_pretrained(tiny_model).save_pretrained(tmp_path, max_shard_size="20KB")
    assert (tmp_path / "model.safetensors.index.json").is_file()
    adapters = []
    for folder in (tiny_model, tmp_path):
        torch.manual_seed(0)
        adapters.append(load_adapted(folder, "tiny", stage_of(lora={"init": "loftq"})).state_dict())
    assert all(torch.equal(weight, adapters[1][name]) for name, weight in adapters[0].items() if "lora_" in name)


def test_noise_has_the_size_of_each_text_and_is_there_in_training_only():
    embedding = torch.nn.Embedding(10, 16)
    torch.nn.init.zeros_(embedding.weight)
    noise = EmbeddingNoise(type("Model", (), {"get_input_embeddings": lambda _: embedding})(), 3)
    positions = torch.tensor([[*range(4), *range(100)], [*range(52), *range(52)]])
    noise.set_lengths(positions)
    assert noise.lengths[0].tolist() == [4] * 4 + [100] * 100 and noise.lengths[1].tolist() == [52] * 104
    output = embedding(torch.zeros_like(positions))
    for part, length in ((output[0, :4], 4), (output[0, 4:], 100), (output[1], 52)):
        bound = 3 / np.sqrt(length * 16)
        assert 0.9 * bound < part.abs().max() <= bound
    assert not embedding.eval()(torch.zeros_like(positions)).any()


def test_lora_plus_multiplies_the_rate_of_the_b_matrices(tiny_model, data, tmp_path, monkeypatch):
    rates, step = {}, torch.optim.AdamW.step

    def record(self, *arguments, **others):
        for group in self.param_groups:
            for weight in group["params"]:
                rates[tuple(weight.shape)] = group["lr"], group["weight_decay"]
        return step(self, *arguments, **others)

    monkeypatch.setattr(torch.optim.AdamW, "step", record)
    job.train(training_job(tiny_model, data, tmp_path, settings(**METHODS["lora_plus"])))
    assert rates[32, 4][0] == pytest.approx(8 * rates[4, 32][0]) and rates[4, 32][0] > 0
    assert {decay for _, decay in rates.values()} == {0.1}


@pytest.mark.parametrize("kind, given", [(torch.optim.AdamW, {"params": []}), (lambda: None, {})])
def test_lora_plus_is_refused_with_optimizers_that_choose_their_own_groups(kind, given):
    from feyntune.config.schema.training import Optimizer
    from feyntune.training import checks

    optimizer = Optimizer(name="galore_adamw", lora_plus_ratio=2)
    with pytest.raises(FeynTuneError, match="lora_plus_ratio: galore_adamw chooses its own groups"):
        checks._check_lora_plus(optimizer, kind, given)
    checks._check_lora_plus(optimizer, torch.optim.AdamW, {"lr": 1})


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"lora": {"init": "pissa"}}, "lora.init: pissa changes base weights, which nf4 does not allow"),
        ({**PLAIN, "lora": {"init": "loftq"}}, "lora.init: loftq needs 4-bit base weights, not none"),
        ({**PLAIN, "lora": {"init": "pissa", "use_dora": True}}, "pissa does not combine with lora.use_dora"),
        ({"lora": {"init": "loftq", "use_dora": True}}, "loftq does not combine with lora.use_dora"),
    ],
)
def test_what_does_not_combine_is_refused(tiny_model, data, tmp_path, changes, message):
    with pytest.raises(FeynTuneError, match=message) as caught:
        job.train(training_job(tiny_model, data, tmp_path, settings(**changes)))
    assert len(str(caught.value)) <= 200
