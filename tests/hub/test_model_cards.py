"""Cards have all results and settings, in Markdown with the metadata that the hub reads."""

import re

import pandas
import pytest
import yaml

from feyntune.config.load import parse_configuration
from feyntune.config.runs import resolve_runs
from feyntune.config.schema.report import TablesStage
from feyntune.core.errors import FeynTuneError
from feyntune.core.nested import flattened
from feyntune.hub import names
from feyntune.hub.model_cards import adapter_card, base_licence, table_card
from feyntune.report.tables import write_tables
from support.made_results import make_results, pooled, read_made

RUN = "tiny_hep-th_all"
CONFIGURATION = {
    "snapshots": {"arxiv": "/home/me/arxiv.json"},
    "datasets": {
        "hep-th": {"snapshot": "arxiv", "categories": ["hep-th"]},
        "own": {
            "files": {"train": "/home/me/a.parquet", "test": "/home/me/b.parquet", "validation": "/home/me/c.parquet"}
        },
        "both": {"mix": ["hep-th", "own"]},
    },
    "models": {"tiny": {"hub": "labs/tiny-1B", "revision": "abc"}},
    "layer_sets": {"all": ["q_proj"], "qkv": ["v_proj"]},
    "grid": {"models": ["tiny"], "datasets": ["hep-th", "both"], "layer_sets": ["all", "qkv"]},
    "evaluation_sets": {"unseen": {"dataset": "hep-th", "limit": 30}},
    "metrics": {"semscore": {"path": "s"}},
    "hub": {"organisation": "me"},
}
RECORD = {
    "settings": {
        "run": RUN, "seed": 42, "lora": {"r": 8, "alpha": 32.0}, "target_modules": ["q_proj"],
        "quantization": {"method": "nf4"}, "precision": {"dtype": "bfloat16"},
    },
    "python": "3.11", "device": "A card", "processes": 1, "steps": 12, "train_abstracts": 1234, "train_tokens": 56789,
    "tokens": {"bos": "<|begin|>"}, "measured": {"seconds": 7.0},
}  # fmt: skip
DATASET = {
    "rows": {"train": 1234, "test": 260, "validation": 261},
    "words": {"min": 5.0, "median": 77.0, "max": 300.0},
    "categories": {f"cat-{number}": 100 - number for number in range(10)},
    "years": {"1996": 3, "2023": 5, "unknown": 1},
    "dropped": {"withdrawn": 3, "same_text": 0},
}


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    """The tables of made-up results, as DataFrames by name."""
    folder = tmp_path_factory.mktemp("results")
    make_results(folder)
    results = read_made(folder)
    stage = TablesStage(seed=1, uncertainty={"resamples": 99}, compared_layers=[("all", "qkv")])
    write_tables(results, pooled(folder, "similarity"), stage, folder / "tables")
    return {name: pandas.read_csv(folder / f"tables/{name}.csv") for name in ("summary", "comparisons")}


def configured(**changes):
    return parse_configuration({**CONFIGURATION, **changes})


def make_card(tables, licence="apache-2.0", configuration=None):
    configuration = configuration or configured()
    stage = names.card_stage(configuration, resolve_runs(configuration)[RUN])
    return adapter_card(stage, RECORD, DATASET, tables["summary"], tables["comparisons"], licence)


def test_the_hub_reads_base_licence_and_kind_from_the_card(tables):
    head = yaml.safe_load(make_card(tables).split("---")[1])
    assert head["base_model"] == "labs/tiny-1B" and head["license"] == "apache-2.0"
    assert head["library_name"] == "peft" and head["base_model_relation"] == "adapter"


def test_the_card_has_every_setting(tables):
    card = make_card(tables)
    for name in flattened(RECORD["settings"]):
        assert re.search(rf"^\| {re.escape(name)} \| .+ \|$", card, re.MULTILINE), name
    for text in ("| lora.alpha | 32.0 |", "nf4", "<|begin|>", "12 steps over 56,789 tokens", "2508.03716"):
        assert text in card


def test_the_card_has_the_results_with_intervals_beside_the_base(tables):
    card = make_card(tables)
    row = tables["summary"].set_index("run").loc[RUN]
    line = next(line for line in card.splitlines() if line.startswith("| Perplexity |"))
    assert f"{row['perplexity']:.3f} [{row['perplexity_low']:.3f}, {row['perplexity_high']:.3f}]" in line
    assert "|  | tiny_base | tiny_hep-th_all |" in card
    assert "95% bootstrap intervals" in card
    assert "| unseen | tiny_base | Perplexity | 30 |" in card
    assert "tiny_hep-th_qkv |" not in card.split("Paired")[0]


def test_the_card_has_the_size_of_the_data(tables):
    card = make_card(tables)
    for text in (
        "| train | 1,234 |",
        "| of them cat-0 | 100 |",
        "| of them others | 183 |",
        "| removed: withdrawn | 3 |",
    ):
        assert text in card
    assert "of 1996 to 2023" in card and "![Loss while training](learning_curve.png)" in card


def test_the_code_in_the_card_loads_the_base_of_the_training(tables):
    card = make_card(tables)
    code = re.search(r"```python\n(.*?)```", card, re.DOTALL)[1]
    compile(code, "card", "exec")
    assert 'from_pretrained("labs/tiny-1B", revision="abc", dtype="bfloat16")' in code
    assert f'PeftModel.from_pretrained(base, "me/{RUN}")' in code


def test_an_unknown_licence_is_not_guessed(tables):
    card = make_card(tables, licence=None)
    assert "license" not in yaml.safe_load(card.split("---")[1])
    assert "whose card names none" in card


def test_no_path_of_this_machine_is_published(tables):
    stage = names.card_stage(configured(), resolve_runs(configured())["tiny_both_all"])
    assert stage.datasets["own"]["files"]["train"] == "a.parquet"
    assert "/home/me" not in stage.model_dump_json()


@pytest.mark.parametrize(
    ("text", "licence"),
    [("---\nlicense: llama3.1\n---\nText", "llama3.1"), ("license: mit", None), ("---\ntags: []\n---\n", None)],
)
def test_the_licence_is_read_from_the_bases_card(tmp_path, text, licence):
    (tmp_path / "README.md").write_text(text)
    assert base_licence(tmp_path) == licence


def test_a_base_without_a_card_has_no_licence(tmp_path):
    assert base_licence(tmp_path) is None


def test_the_card_of_a_table_names_its_file_and_its_models():
    configuration = configured()
    stage = names.reference_stage(configuration, resolve_runs(configuration).values(), "semscore", "unseen")
    card = table_card(stage, 30, ["id"])
    assert yaml.safe_load(card.split("---")[1])["configs"][0]["data_files"] == [
        {"split": "test", "path": "data/test-*"}
    ]
    assert 'load_dataset("me/sem_scores_unseen", split="test")' in card
    assert "| tiny_base | tiny-1B |" in card and f"| {RUN} | {RUN} |" in card


def test_names_come_from_the_templates():
    given = configured(
        hub={"organisation": "us", "adapters": "{organisation}/feyntune-{run}", "tables": "them/{table}"}
    )
    run = resolve_runs(given)[RUN]
    assert names.adapter_repository(given, run) == f"us/feyntune-{RUN}"
    assert names.table_repository(given, "completions", "unseen") == "them/infer"
    assert names.reference_names(given, [run]) == {RUN: f"feyntune-{RUN}"}


def test_published_adapters_keep_the_names_of_their_repositories():
    adapter = {"hub": "LLMsForHepth/s1-L-3.1-8B-base", "revision": "main"}
    given = configured(runs={"first": {"model": "tiny", "adapter": adapter}})
    assert names.reference_names(given, [resolve_runs(given)["first"]]) == {"first": "s1-L-3.1-8B-base"}
    twice = configured(runs={name: {"model": "tiny", "adapter": adapter} for name in ("first", "second")})
    with pytest.raises(FeynTuneError, match=r"first and second have the same name 's1-L-3\.1-8B-base'"):
        names.reference_names(twice, list(resolve_runs(twice).values())[-2:])


def test_without_an_organisation_nothing_can_be_pushed():
    given = configured(hub={})
    with pytest.raises(FeynTuneError, match=r"config: \$\.hub\.organisation: name the user or organisation"):
        names.adapter_repository(given, resolve_runs(given)[RUN])


@pytest.mark.parametrize("template", ["{run}", "me/{model}", "a/b/{run}", "me/{run", "me/{}", "me/{run.name}"])
def test_templates_that_name_no_repository_are_refused(template):
    with pytest.raises(FeynTuneError, match=r"config: \$\.hub\.adapters: "):
        configured(hub={"adapters": template})
