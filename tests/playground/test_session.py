"""Trying runs on one's own text: which runs there are, and that their texts are those of the workflow."""

import argparse
import io
import json
import logging
import sys
import warnings
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest
import torch
from peft import LoraConfig, get_peft_model
from rich.console import Console
from transformers import AutoModelForCausalLM

from feyntune.config.load import parse_configuration
from feyntune.core.errors import FeynTuneError
from feyntune.evaluation.generation import transformers_streaming as streaming
from feyntune.evaluation.generation.completions import CompletionJob, run
from feyntune.evaluation.generation.transformers_engine import load_engine
from feyntune.playground.display import completions_table, show
from feyntune.playground.models import chosen_runs, runs_with_models
from feyntune.playground.prompts import prompt_of_set
from feyntune.playground.session import Growth, Prompt, Session
from support.programs import load_program

program = load_program("try")
NAMES = ["tiny_base", "ours.v1", "theirs"]
TEXT = "We study the entropy of black holes."


def finished(session, prompt, names=None):
    """The finished texts by run."""
    return {growth.run: growth.text for growth in session.complete(prompt, names) if growth.stopped}


def test_only_runs_whose_model_is_here_can_be_tried(available):
    assert list(available) == NAMES  # tiny_own_all is not trained


@pytest.mark.parametrize("name", ["tiny_own_all", "nothing"])
def test_another_run_is_answered_with_those_that_can_be_tried(available, name):
    with pytest.raises(
        FeynTuneError, match=f"no model of a run '{name}' on this machine; there is tiny_base, ours.v1, theirs$"
    ):
        chosen_runs(available, ["tiny_base", name])


def test_a_long_list_of_runs_is_cut(available):
    many = {f"llama-3.1-8b_dataset-{number}_all": available["tiny_base"] for number in range(50)}
    with pytest.raises(FeynTuneError, match=r"and 48 more: try\.py without a name lists them$") as caught:
        chosen_runs(many, ["other"])
    assert len(str(caught.value)) <= 200


def test_texts_are_those_of_the_workflow(available, session, dataset, abstracts, tmp_path):
    name = abstracts[0][5]
    (tmp_path / "evaluation_sets").mkdir()
    dataset.rename(tmp_path / "evaluation_sets/unseen.parquet")
    prompt = prompt_of_set("unseen", name, Prompt(""), tmp_path)
    texts = finished(session, prompt)
    assert len(set(texts.values())) == 3
    for each in available.values():
        output = tmp_path / f"{each.name}.parquet"
        data = tmp_path / "evaluation_sets/unseen.parquet"
        run(CompletionJob(each.stage, each.base, each.adapter, data, tmp_path / "shards", output, "code"), load_engine)
        rows = pyarrow.parquet.read_table(output).to_pylist()
        assert texts[each.name] == next(row["prediction"] for row in rows if row["id"] == name)


def test_vllm_without_its_environment_is_one_line(available, monkeypatch, tmp_path):
    monkeypatch.setattr("feyntune.evaluation.generation.vllm_environment.PYTHON", tmp_path / "python")
    with pytest.raises(
        FeynTuneError, match=r"vllm needs the environment \.venv-vllm, which is missing: type `make vllm`"
    ):
        Session(list(available.values()), "vllm")


@pytest.mark.parametrize("changes", [{"use_dora": True}, {"bias": "lora_only"}])
def test_an_adapter_that_vllm_cannot_apply_is_merged(configuration, tiny_model, tmp_path, monkeypatch, capfd, changes):
    """The built-in engine stands for vLLM, and writes the texts of the adapter with the merged model."""
    torch.manual_seed(1)
    layers = LoraConfig(r=4, target_modules=["q_proj"], task_type="CAUSAL_LM", init_lora_weights=False, **changes)
    adapted = get_peft_model(AutoModelForCausalLM.from_pretrained(tiny_model), layers)
    adapted.save_pretrained(tmp_path / "adapter")
    run = {"model": "tiny", "adapter": {"path": str(tmp_path / "adapter")}}
    runs = runs_with_models(parse_configuration({**configuration, "runs": {"odd": run}}), "vllm")
    expected = finished(Session(list(runs.values())), Prompt(TEXT))
    assert expected["odd"] != expected["tiny_base"]
    loaded = []

    def load(base, adapters, stage, fraction):
        loaded.append((list(adapters.values()), fraction))
        return streaming.load_streaming(base, adapters, stage, fraction)

    monkeypatch.setattr("feyntune.evaluation.generation.vllm_environment.PYTHON", Path(sys.executable))
    monkeypatch.setattr("feyntune.evaluation.generation.streaming.streaming_loader", lambda name: load)
    session = Session(list(runs.values()), "vllm", tmp_path / "results")
    assert loaded == [([None], 0.5)] * 2 and finished(session, Prompt(TEXT)) == expected
    reason = {"use_dora": "DoRA", "bias": "trained biases"}[next(iter(changes))]
    line = f"odd: vLLM cannot apply {reason}: merges the adapter into a temporary copy of the base model"
    assert line in capfd.readouterr().out
    del session
    assert not list((tmp_path / "results").iterdir())


def test_all_runs_grow_at_the_same_time_and_share_one_base_model(available, monkeypatch):
    loaded = []
    load = streaming.load_evaluated
    monkeypatch.setattr(streaming, "load_evaluated", lambda *args, **more: loaded.append(args) or load(*args, **more))
    growths = list(Session(list(available.values())).complete(Prompt(TEXT, changes={"min_new_tokens": 20})))
    assert len(loaded) == 1
    assert [growth.run for growth in growths[:6]] == NAMES * 2
    assert [growth.tokens for growth in growths[:6]] == [streaming.TURN] * 3 + [2 * streaming.TURN] * 3
    assert growths[-1].stopped


def test_a_run_can_be_completed_alone_with_the_same_text(session):
    together = finished(session, Prompt(TEXT))
    assert all(finished(session, Prompt(TEXT), [name])[name] == together[name] for name in NAMES)


def test_seed_and_settings_change_the_text_and_only_them(session):
    texts = [finished(session, prompt, ["ours.v1"])["ours.v1"] for prompt in (Prompt(TEXT), Prompt(f" {TEXT}\n"))]
    assert texts[0] == texts[1] != finished(session, Prompt(TEXT, seed=7), ["ours.v1"])["ours.v1"]
    greedy = [Prompt(TEXT, seed=seed, changes={"temperature": 0}) for seed in (1, 2)]
    assert finished(session, greedy[0]) == finished(session, greedy[1])
    (short,) = finished(session, Prompt(TEXT, changes={"max_new_tokens": 1}), ["tiny_base"]).values()
    assert len(short) < len(finished(session, Prompt(TEXT), ["tiny_base"])["tiny_base"])


def test_runs_that_store_the_base_model_differently_do_not_share_it(available):
    one = available["tiny_base"]
    other = one.stage.model_copy(update={"precision": one.stage.precision.model_copy(update={"dtype": "bfloat16"})})
    session = Session([one, type(one)("other", other, one.base, None, "tiny", "base")])
    assert len(session.engines) == 2
    assert set(finished(session, Prompt(TEXT))) == {"tiny_base", "other"}


@pytest.mark.parametrize(
    ("prompt", "line"),
    [
        (Prompt(" \n"), "no text to complete"),
        (Prompt(TEXT, changes={"top_p": 2}), r"\$.generation.top_p"),
        (Prompt("We study. " * 200), "fill the model's 256 tokens"),
    ],
)
def test_faults_are_one_line(session, prompt, line):
    with pytest.raises(FeynTuneError, match=line) as caught:
        list(session.complete(prompt))
    assert "\n" not in str(caught.value)


def test_unknown_abstracts_of_a_set_are_answered(tmp_path):
    (tmp_path / "evaluation_sets").mkdir()
    table = pyarrow.table({"id": ["2401.00001"], "abstract": ["We study. We find."]})
    pyarrow.parquet.write_table(table, tmp_path / "evaluation_sets/unseen.parquet")
    assert prompt_of_set("unseen", "2401.00001", Prompt("", seed=3), tmp_path) == Prompt("We study.", "2401.00001", 3)
    with pytest.raises(FeynTuneError, match="no results of 'other'; there is 'unseen'"):
        prompt_of_set("other", "2401.00001", Prompt(""), tmp_path)
    with pytest.raises(FeynTuneError, match=r"--id: no abstract '2401.1' .*did you mean '2401.00001'"):
        prompt_of_set("unseen", "2401.1", Prompt(""), tmp_path)


@pytest.fixture
def trying(configuration, tmp_path, monkeypatch, capsys):
    """A function that runs the program, and returns what it printed."""
    (tmp_path / "mine.yaml").write_text(json.dumps(configuration))
    monkeypatch.chdir(tmp_path)

    def run_program(*words):
        parser = argparse.ArgumentParser()
        program.arguments(parser)
        program.main(parser.parse_args([*words, "--configfile", "mine.yaml"]))
        return capsys.readouterr().out

    return run_program


def test_the_program_lists_runs(trying):
    assert trying().splitlines() == NAMES


def test_the_program_completes_an_option_a_file_and_the_standard_input(trying, tmp_path, monkeypatch):
    (tmp_path / "half.txt").write_text(f"{TEXT}\n")
    options = ("ours.v1", "tiny_base", "--max-new-tokens", "5", "--min-new-tokens", "5")
    said = []
    for more in (["--text", TEXT], ["--file", "half.txt"], ["--file", "-"], []):
        monkeypatch.setattr(sys, "stdin", io.StringIO(TEXT))
        said.append(trying(*options, *more))
    assert said[0] == said[1] == said[2] == said[3]
    assert f"{TEXT}\n\n# ours.v1 (5 tokens, cut off at the longest length)\n" in said[0]
    assert said[0].index("# ours.v1") < said[0].index("# tiny_base")
    assert said[0] != trying(*options, "--text", TEXT, "--seed", "7")


@pytest.mark.parametrize(
    "words",
    [["ours.v1", "--config", "seed=7"], ["--config", "seed=7", "ours.v1"], ["--configfile", "a.yaml", "ours.v1"]],
)
def test_names_of_runs_stand_anywhere(words):
    parser = argparse.ArgumentParser()
    program.arguments(parser)
    options = parser.parse_args(words)
    names, files, pairs = program.sort_names(options.runs, options.configfile, options.config)
    assert names == ["ours.v1"] and len(files) == 1 and pairs in ([], ["seed=7"])


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["tiny_base", "--file", "none.txt"], "--file none.txt: No such file"),
        (["tiny_base", "--id", "2401.00001"], "--set and --id belong together"),
        (["tiny_base", "--engine", "fast"], "--engine: there is no 'fast'"),
    ],
)
def test_wrong_options_are_one_line(trying, words, line):
    with pytest.raises(FeynTuneError, match=line):
        trying(*words)


@pytest.mark.parametrize(
    ("words", "line"),
    [(["--file", "none.txt"], "No such file"), (["--text", TEXT, "--temperature", "-1"], r"\$.generation.temperature")],
)
def test_wrong_options_are_refused_before_models_are_loaded(trying, monkeypatch, words, line):
    monkeypatch.setattr("feyntune.playground.session.Session", None)
    with pytest.raises(FeynTuneError, match=line):
        trying("tiny_base", *words)


def test_warnings_of_libraries_are_not_shown(capfd, caplog):
    with program.quiet_libraries():
        logging.getLogger("transformers").warning("something is deprecated")
        warnings.warn("something is deprecated", FutureWarning, stacklevel=1)
    logging.getLogger("transformers").warning("a later one")
    assert [record.getMessage() for record in caplog.records] == ["a later one"]
    assert not capfd.readouterr().err


def terminal(width=60):
    return Console(file=io.StringIO(), force_terminal=True, width=width, height=20, color_system=None)


def growth(run, text, stopped="eos"):
    return Growth(run, text, 3, stopped)


def test_on_a_terminal_runs_stand_side_by_side_and_cannot_control_it():
    console = terminal()
    growths = [growth("one", "It", None), growth("two", "\x1b[2Jbad"), growth("one", "It [red]does[/red]")]
    latest = show("We study", ["one", "two"], growths, console)
    assert {name: each.text for name, each in latest.items()} == {"one": "It [red]does[/red]", "two": "\x1b[2Jbad"}
    said = console.file.getvalue()
    assert "\x1b[2J" not in said
    last = said.splitlines()[-4:]
    assert any("It [red]does[/red]" in line and "\\x1b[2Jbad" in line for line in last)


def test_on_a_narrow_terminal_runs_stand_below_each_other():
    console = terminal(width=40)
    show("We study", ["one", "two"], [growth("one", "first text"), growth("two", "second text")], console)
    assert not any("first" in line and "second" in line for line in console.file.getvalue().splitlines())


def test_a_growing_text_shows_its_end():
    console = terminal()
    words = " ".join(f"word{number}" for number in range(400))
    console.print(completions_table(["one"], {"one": growth("one", words, None)}, side_by_side=True, lines=5))
    said = console.file.getvalue()
    assert "word399" in said and "word1 " not in said and len(said.splitlines()) == 5 + 3
