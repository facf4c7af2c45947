"""Merged models: ordinary model folders with the texts of the adapter on its base, and a card."""

import contextlib
import re

import pandas
import pytest
import torch
import yaml
from huggingface_hub import ModelCard
from transformers import AutoModelForCausalLM, AutoTokenizer

from feyntune.config.load import parse_configuration
from feyntune.config.runs import resolve_runs
from feyntune.config.schema.report import TablesStage
from feyntune.config.stages import merge_stage
from feyntune.core.errors import FeynTuneError
from feyntune.hub import names
from feyntune.hub.publish import MergedCardJob, write_merged_card
from feyntune.hub.push import files_in
from feyntune.models import dequantize
from feyntune.models.load import load_adapter, load_base
from feyntune.models.tokenizer import encode, load_tokenizer
from feyntune.report.tables import write_tables
from support.made_results import RUNS, make_results, pooled, read_made

RUN = "tiny_own_all"
CONFIGURATION = {
    "datasets": {"own": {"files": {"train": "/home/me/a.parquet", "test": "b.parquet", "validation": "c.parquet"}}},
    "models": {"tiny": {"hub": "labs/tiny-1B", "revision": "abc", "also_known_as": ["tiny"]}},
    "layer_sets": {"all": ["q_proj"]},
    "grid": {"models": ["tiny"], "datasets": ["own"], "layer_sets": ["all"]},
    "evaluation_sets": {"unseen": {"dataset": "own"}},
    "precision": {"dtype": "float32"},
    "hub": {"organisation": "me"},
}
PROMPTS = ("We study the entropy of black holes.", "The amplitude", "Strings")


def merge(tiny_model, tiny_adapter, folder, **changes):
    """Merge as the rule does; returns the configuration."""
    configuration = parse_configuration({**CONFIGURATION, **changes})
    stage = merge_stage(configuration, resolve_runs(configuration)[RUN])
    job = dequantize.DequantizeJob(
        stage.quantization, stage.precision, tiny_model, tiny_adapter, stage.base_names, folder
    )
    dequantize.run(job)
    return configuration


def greedy(model, tokenizer, prompt):
    """Greedy text of 40 tokens."""
    ids = torch.tensor(encode(tokenizer, [prompt], eos=False))
    with torch.no_grad():
        new = model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=40, do_sample=False)
    return tokenizer.decode(new[0])


@pytest.mark.parametrize("weights", ["evaluated", "original"])
def test_a_merged_model_writes_the_greedy_texts_of_the_adapter_on_its_base(tiny_model, tiny_adapter, tmp_path, weights):
    hub = {"organisation": "me", "merged_weights": weights}
    configuration = merge(tiny_model, tiny_adapter, tmp_path / "out", hub=hub)
    stage = merge_stage(configuration, resolve_runs(configuration)[RUN])
    assert stage.quantization.method == {"evaluated": "nf4", "original": "none"}[weights]
    base = load_base(tiny_model, stage.quantization, stage.precision)
    adapted = load_adapter(base, tiny_adapter, ["tiny"]).get_base_model()
    merged = AutoModelForCausalLM.from_pretrained(tmp_path / "out", dtype="auto")
    assert merged.dtype == torch.float32 and not hasattr(merged.config, "quantization_config")
    tokenizers = load_tokenizer(tiny_model), AutoTokenizer.from_pretrained(tmp_path / "out")
    texts = [[greedy(*each, prompt) for prompt in PROMPTS] for each in zip((adapted, merged), tokenizers, strict=True)]
    assert texts[0] == texts[1]
    unadapted = load_base(tiny_model, stage.quantization, stage.precision)
    assert texts[1] != [greedy(unadapted, tokenizers[0], prompt) for prompt in PROMPTS]  # the adapter has an effect


def test_by_default_the_weights_are_bfloat16_and_logits_differ_by_rounding(tiny_model, tiny_adapter, tmp_path):
    configuration = merge(tiny_model, tiny_adapter, tmp_path / "out", precision={})
    stage = merge_stage(configuration, resolve_runs(configuration)[RUN])
    merged = AutoModelForCausalLM.from_pretrained(tmp_path / "out", dtype="auto")
    assert merged.dtype == torch.bfloat16
    adapted = load_adapter(load_base(tiny_model, stage.quantization, stage.precision), tiny_adapter, ["tiny"])
    ids = torch.tensor(encode(load_tokenizer(tiny_model), PROMPTS[:1], eos=False))
    with torch.no_grad():
        expected, found = adapted(ids).logits.float(), merged(ids).logits.float()
    assert (found - expected).abs().max() < 0.05 * expected.abs().max()


def write_card(tiny_model, folder, tables=None, **changes):
    """Write the card of a merged model into a folder with a tokenizer; returns metadata and body."""
    configuration = parse_configuration({**CONFIGURATION, **changes})
    AutoTokenizer.from_pretrained(tiny_model).save_pretrained(folder)
    stage = names.merged_card_stage(configuration, resolve_runs(configuration)[RUN])
    write_merged_card(MergedCardJob(stage, tiny_model, folder, tables))
    head, body = (folder / "README.md").read_text().removeprefix("---\n").split("\n---\n", 1)
    return yaml.safe_load(head), body


def test_the_card_names_base_weights_and_data(tiny_model, tmp_path):
    head, body = write_card(tiny_model, tmp_path)
    assert head["base_model"] == "labs/tiny-1B" and head["base_model_relation"] == "finetune"
    assert head["library_name"] == "transformers"
    assert f"# {RUN}-merged" in body and "`nf4`" in body and "/home" not in body
    assert "the texts of this model may differ" not in body
    code = re.search(r"```python\n(.*?)```", body, re.DOTALL)[1]
    compile(code, "card", "exec")
    assert f'from_pretrained("me/{RUN}-merged")' in code and 'tokenizer("<s>" + prompt' in code


def test_the_card_warns_of_other_weights_than_the_evaluated_ones(tiny_model, tmp_path):
    _, body = write_card(tiny_model, tmp_path, hub={"merged_weights": "original"})
    assert "the texts of this model may differ from the evaluated ones" in body
    assert f'from_pretrained("results/merged/{RUN}")' in body  # without an organisation there is no repository


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    """The tables of made-up results, one run of which has the name of ours."""
    folder = tmp_path_factory.mktemp("results")
    runs = [RUNS[0], {**RUNS[1], "run": RUN, "dataset": "own"}]
    make_results(folder, runs=runs)
    stage = TablesStage(seed=1, uncertainty={"resamples": 99}, compared_layers=[])
    write_tables(read_made(folder), pooled(folder, "similarity"), stage, folder / "tables")
    return folder / "tables"


EVALUATED = {"metrics": {"semscore": {"path": "s"}}}


@pytest.mark.parametrize("organisation", ["me", None])
def test_the_hub_shows_the_results_of_the_run(tiny_model, tables, tmp_path, organisation):
    write_card(tiny_model, tmp_path, tables, hub={"organisation": organisation}, **EVALUATED)
    row = pandas.read_csv(tables / "summary.csv").set_index("run").loc[RUN]
    card = ModelCard.load(tmp_path / "README.md")
    found = {result.metric_type: result for result in card.data.eval_results}
    assert found["perplexity"].metric_value == pytest.approx(row["perplexity"], abs=1e-4)
    repository = "me/infer_unseen" if organisation else "unseen"
    assert (found["semscore"].dataset_type, found["semscore"].dataset_name) == (repository, "unseen")
    assert card.data.model_name == (f"{RUN}-merged" if organisation else RUN)
    line = next(line for line in card.text.splitlines() if line.startswith("| Perplexity |"))
    assert f"{row['perplexity']:.1f} [{row['perplexity_low']:.1f}, {row['perplexity_high']:.1f}]" in line
    assert f"|  | tiny_base | {RUN} |" in card.text and "base model in `nf4`, before merging" in card.text


def test_results_on_other_weights_are_not_shown_as_those_of_the_model(tiny_model, tables, tmp_path):
    weights = {"organisation": "me", "merged_weights": "original"}
    head, body = write_card(tiny_model, tmp_path, tables, hub=weights, **EVALUATED)
    assert "model-index" not in head
    assert "| Perplexity |" in body and "Those of this model may differ." in body


def test_a_model_that_was_not_evaluated_has_a_card_without_results(tiny_model, tables, tmp_path):
    head, body = write_card(tiny_model, tmp_path, **EVALUATED)
    assert "model-index" not in head and "## Results" not in body
    others = {**CONFIGURATION["layer_sets"], "qkv": ["v_proj"]}
    run = {"other": {"model": "tiny", "dataset": "own", "layers": "qkv"}}
    configuration = parse_configuration({**CONFIGURATION, **EVALUATED, "layer_sets": others, "runs": run})
    stage = names.merged_card_stage(configuration, resolve_runs(configuration)["other"])
    write_merged_card(MergedCardJob(stage, tiny_model, tmp_path, tables))
    assert "model-index" not in (tmp_path / "README.md").read_text()


def test_int8_weights_are_merged_only_in_their_original_form():
    for weights, line in (
        ("evaluated", "int8 weights of tiny_own_all cannot be dequantised; set it to original"),
        ("original", None),
    ):
        changes = {"quantization": {"method": "int8"}, "hub": {"merged_weights": weights}}
        configuration = parse_configuration({**CONFIGURATION, **changes})
        run = resolve_runs(configuration)[RUN]
        with pytest.raises(FeynTuneError, match=line) if line else contextlib.nullcontext():
            assert merge_stage(configuration, run).quantization.method == "none"


def test_a_merged_model_has_a_repository_of_its_own():
    configuration = parse_configuration(
        {**CONFIGURATION, "hub": {"organisation": "me", "merged": "{organisation}/{run}"}}
    )
    runs = [run for run in resolve_runs(configuration).values() if run.has_adapter]
    names.check_repositories(configuration, runs, [], [])
    with pytest.raises(FeynTuneError, match=f"{RUN} and merged {RUN} have the same repository me/{RUN}; change"):
        names.check_repositories(configuration, runs, [], [], merged=True)


def test_all_files_of_the_folder_are_pushed_except_hidden_ones(tmp_path):
    for name in ("model.safetensors", "config.json", ".lock", "sub/a.txt", ".cache/b.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert list(files_in(tmp_path)) == ["config.json", "model.safetensors", "sub/a.txt"]
