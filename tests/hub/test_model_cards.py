"""Cards have all results and settings, in Markdown with the metadata that the hub reads."""

import json
import re

import pandas
import pytest
import yaml

from feyntune.config.load import parse_configuration
from feyntune.config.runs import resolve_runs
from feyntune.config.schema.report import TablesStage
from feyntune.core.nested import flattened
from feyntune.hub import names
from feyntune.hub.model_cards import adapter_card, base_licence, table_card
from feyntune.hub.publish import CardJob, write_adapter_card
from feyntune.report.tables import write_tables
from feyntune.report.typeset import html_table
from support.damage import refusal
from support.made_results import make_adapters, make_results, pooled, read_made

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


def test_the_hub_shows_the_results_and_links_to_base_and_data(tables):
    from huggingface_hub import ModelCard

    datasets = {**CONFIGURATION["datasets"], "hep-th": {"hub": "labs/hep-th", "revision": "abc"}}
    data = ModelCard(make_card(tables, configuration=configured(datasets=datasets))).data
    row = tables["summary"].set_index("run").loc[RUN]
    found = {result.metric_type: result for result in data.eval_results}
    assert {"perplexity", "bits_per_byte", "semscore"} <= found.keys() and "new_tokens" not in found
    assert found["perplexity"].metric_value == pytest.approx(row["perplexity"], abs=1e-4)
    assert found["perplexity"].metric_name == "Perplexity"
    assert (found["semscore"].dataset_type, found["semscore"].dataset_name) == ("me/infer_unseen", "unseen")
    assert (found["semscore"].dataset_split, found["semscore"].task_type) == ("test", "text-generation")
    assert data.model_name == RUN and data.datasets == ["labs/hep-th"]
    assert data.base_model == "labs/tiny-1B" and data.license == "apache-2.0" and "lora" in data.tags


def test_a_run_without_results_has_a_card_without_them(tables):
    empty = {name: table[table["run"] == "nobody"] for name, table in tables.items()}
    head = yaml.safe_load(make_card(empty).split("---")[1])
    assert "model-index" not in head and head["base_model"] == "labs/tiny-1B"


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
    assert f"{row['perplexity']:.1f} [{row['perplexity_low']:.1f}, {row['perplexity_high']:.1f}]" in line
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
    [
        ("---\nlicense: llama3.1\n---\nText", "llama3.1"),
        ("license: mit", None),
        ("---\nlicense: [a\n---\n", None),
        ("---\ntags: []\n---\n", None),
    ],
)
def test_the_licence_is_read_from_the_bases_card(tmp_path, text, licence):
    (tmp_path / "README.md").write_text(text)
    assert base_licence(tmp_path) == licence


def test_a_base_without_a_card_has_no_licence(tmp_path):
    assert base_licence(tmp_path) is None


MARKUP = '`|*_x_*</td><script>[a](http://b)\n# c "q"\x1b[31m'


def test_markup_in_values_is_shown_and_not_interpreted(tables):
    MarkdownIt = pytest.importorskip("markdown_it").MarkdownIt  # noqa: N806
    record = {
        **RECORD,
        "device": MARKUP,
        "tokens": {"bos": MARKUP},
        "settings": {**RECORD["settings"], "target_modules": [MARKUP], "seed": MARKUP},
    }
    dataset = {**DATASET, "categories": {MARKUP: 3}}
    configuration = configured()
    stage = names.card_stage(configuration, resolve_runs(configuration)[RUN]).model_copy(update={"base": MARKUP})
    card = adapter_card(stage, record, dataset, tables["summary"], tables["comparisons"], MARKUP)
    assert "\x1b" not in card
    assert yaml.safe_load(card.split("\n---\n")[0].removeprefix("---\n"))["license"] == MARKUP
    body = card.split("\n---\n", 1)[1]
    html = MarkdownIt("commonmark").enable("table").render(body)
    assert "<script" not in html and "<a href" not in html and "<em>" not in html
    assert html.count("<h1>") == 1
    rows = [line for line in body.splitlines() if line.startswith(("| seed |", "| of them"))]
    assert len(rows) == 2 and all(len(re.findall(r"(?<!\\)\|", row)) == 3 for row in rows)
    compile(re.search(r"```python\n(.*?)```", body, re.DOTALL)[1], "card", "exec")


def test_no_absolute_path_is_published(tables, tmp_path):
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    config = {"base_model_name_or_path": "/home/me/llama", "r": 8}
    history = pandas.DataFrame(
        {"epoch": [0.5, 1.0], "loss": [2.0, 1.0], "test_loss": [2.0, 1.0], "train_loss": [2.0, 1.0]}
    )
    (adapter / "adapter_config.json").write_text(json.dumps(config))
    (adapter / "run.json").write_text(json.dumps({**RECORD, "base": {"folder": "/home/me/llama"}}))
    history.to_parquet(adapter / "history.parquet")
    (tmp_path / "summary.json").write_text(json.dumps(DATASET))
    (tmp_path / "tables").mkdir()
    for name, table in tables.items():
        table.to_csv(tmp_path / f"tables/{name}.csv", index=False)
        (tmp_path / f"tables/{name}.html").write_text(html_table(table))
    configuration = configured(models={"tiny": {"path": "/home/me/llama"}})
    stage = names.card_stage(configuration, resolve_runs(configuration)[RUN])
    out = tmp_path / "out"
    write_adapter_card(CardJob(stage, adapter, tmp_path, tmp_path / "summary.json", tmp_path / "tables", out))
    published = [path for path in out.iterdir() if path.suffix != ".png"]
    assert {path.name for path in published} == {"README.md", "adapter_config.json", "run.json"}
    assert not [path for path in published if "/home" in path.read_text()]
    assert json.loads((out / "adapter_config.json").read_text()) == {**config, "base_model_name_or_path": "llama"}


def test_the_card_of_a_table_names_its_file_and_its_models():
    configuration = configured()
    stage = names.reference_stage(configuration, resolve_runs(configuration).values(), "semscore", "unseen")
    card = table_card(stage, 30, ["id"])
    assert yaml.safe_load(card.split("---")[1])["configs"][0]["data_files"] == [
        {"split": "test", "path": "data/test-*"}
    ]
    assert 'load_dataset("me/sem_scores_unseen", split="test")' in card
    assert "| tiny_base | tiny-1B |" in card and f"| {RUN} | {RUN} |" in card


def test_the_card_of_a_fully_trained_model_is_that_of_a_model(tables):
    from huggingface_hub import ModelCard

    full = {"model": "tiny", "dataset": "hep-th", "training": {"method": "full"}, "quantization": {"method": "none"}}
    configuration = configured(runs={"whole": full})
    stage = names.card_stage(configuration, resolve_runs(configuration)["whole"])
    settings = {**RECORD["settings"], "training": {"method": "full"}}
    record = {**RECORD, "settings": {key: settings[key] for key in ("run", "seed", "training", "precision")}}
    card = adapter_card(stage, record, DATASET, tables["summary"], tables["comparisons"], "apache-2.0")
    data = ModelCard(card).data
    assert (data.library_name, data.base_model_relation) == ("transformers", "finetune") and "lora" not in data.tags
    code = re.search(r"```python\n(.*?)```", card, re.DOTALL)[1]
    compile(code, "card", "exec")
    assert 'AutoModelForCausalLM.from_pretrained("me/whole", dtype="auto")' in code and "peft" not in code
    text = " ".join(card.split())
    assert "All weights of `labs/tiny-1B` (revision `abc`), trained on 1,234 arXiv abstracts" in text
    assert "adapter" not in text.lower() and "trained in float32, and are published in `bfloat16`" in text


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("run.json", {}), ("run.json", {**RECORD, "settings": None}), ("run.json", {**RECORD, "steps": "x"}),
        ("run.json", {**RECORD, "tokens": 3}), ("dataset.json", {}), ("adapter_config.json", []),
    ],
)  # fmt: skip
def test_an_incomplete_record_is_one_line_and_no_card(tmp_path, file, content):
    made_results_with_tables(tmp_path)
    stage = names.card_stage(configured(), resolve_runs(configured())[RUN])
    for name, value in {"run.json": RECORD, "dataset.json": DATASET, "adapter_config.json": {}, file: content}.items():
        (tmp_path / name).write_text(json.dumps(value))
    job = CardJob(stage, tmp_path, tmp_path, tmp_path / "dataset.json", tmp_path / "tables", tmp_path / "card")
    refusal(lambda: write_adapter_card(job), tmp_path, file, tmp_path / "card")


def made_results_with_tables(folder):
    make_results(folder, count=8)
    make_adapters(folder)
    stage = TablesStage(seed=1, uncertainty={"resamples": 99}, compared_layers=[("all", "qkv")])
    write_tables(read_made(folder), pooled(folder, "similarity"), stage, folder / "tables")
    (folder / f"adapters/{RUN}/history.parquet").rename(folder / "history.parquet")
