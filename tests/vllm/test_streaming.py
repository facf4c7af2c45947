"""Trying runs with vLLM: the texts of the built-in engine, that grow, stop, and differ in their settings by run."""

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM

from feyntune.config.load import parse_configuration
from feyntune.core.errors import FeynTuneError
from feyntune.playground.models import runs_with_models
from feyntune.playground.session import Prompt, Session

pytestmark = pytest.mark.vllm

TEXT = "We study the entropy of black holes."


def save_adapter(folder, base, **changes):
    """Save an adapter that changes what the base model says."""
    torch.manual_seed(1)
    layers = LoraConfig(r=4, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM", **changes)
    model = get_peft_model(AutoModelForCausalLM.from_pretrained(base), layers)
    for name, weights in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weights, std=0.3)
    model.peft_config["default"].base_model_name_or_path = "wide"
    model.save_pretrained(folder)
    return {"model": "wide", "adapter": {"path": str(folder)}}


def available(wide_model, runs, engine="vllm", **changes):
    """Runs of a configuration with a base model and named runs."""
    configuration = {
        "datasets": {"own": {"files": {"train": "a.parquet", "test": "b.parquet", "validation": "c.parquet"}}},
        "models": {"wide": {"path": str(wide_model), "also_known_as": ["wide"]}},
        "layer_sets": {"all": ["q_proj"]},
        "grid": {"models": ["wide"], "datasets": ["own"], "layer_sets": ["all"]},
        "runs": runs,
        "evaluation_sets": {"unseen": {"dataset": "own"}},
        "quantization": {"method": "none"},
        "precision": {"dtype": "float32"},
        "generation": {"max_new_tokens": 40},
        **changes,
    }
    return list(runs_with_models(parse_configuration(configuration), engine).values())


def texts(session, prompt):
    """The finished texts by run."""
    return {growth.run: growth.text for growth in session.complete(prompt) if growth.stopped}


@pytest.fixture(scope="module")
def runs(wide_model, tmp_path_factory):
    """A base model, and an adapter under two names, one of which takes the most likely tokens."""
    entry = save_adapter(tmp_path_factory.mktemp("adapter"), wide_model)
    return available(wide_model, {"ours.v1": entry, "greedy": {**entry, "generation": {"temperature": 0}}})


@pytest.fixture(scope="module")
def session(runs):
    return Session(runs, "vllm")


def test_texts_are_those_of_the_built_in_engine(runs, session):
    ours = Session(runs)
    for prompt in (Prompt(TEXT), Prompt(TEXT, seed=3, changes={"top_k": 5, "min_new_tokens": 10})):
        expected = texts(ours, prompt)
        assert texts(session, prompt) == expected and len(set(expected.values())) == 3


def test_rows_grow_together_and_can_be_stopped(session):
    growths = session.complete(Prompt(TEXT, changes={"min_new_tokens": 30}))
    first = [next(growths) for _ in range(6)]
    assert {growth.run for growth in first} == {"wide_base", "ours.v1", "greedy"}
    assert max(growth.tokens for growth in first) <= 3
    growths.close()
    assert len(texts(session, Prompt(TEXT))) == 3


def test_an_adapter_that_vllm_cannot_apply_is_merged(wide_model, tmp_path):
    runs = available(wide_model, {"dora": save_adapter(tmp_path / "dora", wide_model, use_dora=True)})
    expected = texts(Session(runs), Prompt(TEXT))
    assert texts(Session(runs, "vllm", tmp_path / "results"), Prompt(TEXT)) == expected
    assert expected["dora"] != expected["wide_base"]


def test_what_vllm_cannot_take_is_one_line(wide_model, tiny_model):
    with pytest.raises(FeynTuneError, match="vLLM needs dequantised weights; make them"):
        Session(available(wide_model, {}, quantization={"method": "nf4"}), "vllm")
    with pytest.raises(FeynTuneError, match=r"^vLLM cannot run it \(.*\); take --engine transformers$"):
        texts(Session(available(tiny_model, {}), "vllm"), Prompt(TEXT))  # heads of eight numbers
