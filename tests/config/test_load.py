"""The configuration: strict, coerced from text, with one-line errors that name the likely key."""

import typing

import pytest

from feyntune.config.load import parse_configuration
from feyntune.config.reported import gpus_of_jobs
from feyntune.config.runs import resolve_runs
from feyntune.config.schema.training import OptimizerName, ScheduleName
from feyntune.config.stages import base_names, completion_stage, gpus, perplexity_stage, training_stage
from feyntune.core.errors import FeynTuneError
from support.config_examples import SMALL


def fault(raw):
    with pytest.raises(FeynTuneError) as caught:
        resolve_runs(parse_configuration(raw))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_grid_names_runs_base_first():
    runs = resolve_runs(parse_configuration(SMALL))
    assert list(runs) == ["tiny_base", "tiny_hep-th_all", "tiny_hep-th_qkv", "tiny_gr-qc_all", "tiny_gr-qc_qkv"]
    assert [run.has_adapter for run in runs.values()] == [False, True, True, True, True]


def test_an_unknown_key_is_refused_with_the_likely_one():
    assert fault({**SMALL, "training": {"num_train_epoch": 3}}) == (
        "config: $.training: unknown key 'num_train_epoch'; did you mean 'num_train_epochs'?"
    )


def test_an_unknown_key_deep_inside_a_registry_is_found():
    datasets = {**SMALL["datasets"], "bad": {"snapshot": "arxiv", "categorie": ["hep-th"]}}
    assert "$.datasets.bad: unknown key 'categorie'; did you mean 'categories'?" in fault(
        {**SMALL, "datasets": datasets}
    )


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ({"training": {"batchsize": 3}}, "training: unknown key 'batchsize'; did you mean 'batch_size'?"),
        ({"generation": {"top_p": 2}}, "generation.top_p: input should be less than or equal to 1, not 2"),
        ({"lora": 3}, "lora: input should be a valid dictionary"),
    ],
)
def test_a_fault_in_an_override_names_its_place_also_if_nothing_uses_it(override, message):
    named = {"mine": {"model": "tiny", "dataset": "hep-th", "layers": "all", **override}}
    assert f"$.runs.mine.{message}" in fault({**SMALL, "runs": named})
    unused = {**SMALL["models"], "unused": {"path": "x", **override}}
    assert f"$.models.unused.{message}" in fault({**SMALL, "models": unused})


@pytest.mark.parametrize(
    ("registry", "place"),
    [("models", "$.grid.models"), ("datasets", "$.grid.datasets"), ("layer_sets", "$.grid.layer_sets")],
)
def test_a_name_that_no_registry_has_is_refused_with_the_likely_one(registry, place):
    known = next(iter(SMALL[registry]))
    grid = {**SMALL["grid"], registry: [known + "x"]}
    assert fault({**SMALL, "grid": grid}) == f"config: {place}: no '{known}x' in '{registry}'; did you mean '{known}'?"


def test_a_set_name_with_a_slash_is_refused():
    assert "'hep/th' is not a name" in fault({**SMALL, "evaluation_sets": {"hep/th": {"dataset": "hep-th"}}})


def test_text_becomes_numbers_and_null_as_the_command_line_hands_them_over():
    configuration = parse_configuration(
        {**SMALL, "training": {"max_length": "null", "batch_size": "8", "optimizer": {"learning_rate": "1e-4"}}}
    )
    assert configuration.training.optimizer.learning_rate == 1e-4
    assert (configuration.training.batch_size, configuration.training.max_length) == (8, None)


def test_a_value_out_of_range_names_its_place():
    assert fault({**SMALL, "lora": {"r": 0}}) == ("config: $.lora.r: input should be greater than or equal to 1, not 0")


def test_overrides_of_the_run_win_over_the_model_and_the_model_over_the_sections():
    grid = {**SMALL["grid"], "models": ["tiny", "other"]}
    named = {"mine": {"model": "other", "dataset": "hep-th", "layers": "all", "training": {"optimizer": {"eps": 1}}}}
    configuration = parse_configuration({**SMALL, "grid": grid, "runs": named, "training": {"max_grad_norm": 7}})
    runs = resolve_runs(configuration)
    mine = training_stage(configuration, runs["mine"]).training
    assert (mine.batch_size, mine.max_grad_norm, mine.optimizer.eps, mine.optimizer.betas) == (4, 7, 1, (0.9, 0.95))
    assert training_stage(configuration, runs["tiny_hep-th_all"]).training.batch_size == 16


def test_another_schedule_does_not_inherit_the_arguments_of_the_paper():
    linear = {"schedule": {"name": "linear"}}
    named = {"mine": {"model": "tiny", "dataset": "hep-th", "layers": "all", "training": linear}}
    configuration = parse_configuration({**SMALL, "runs": named})
    assert training_stage(configuration, resolve_runs(configuration)["mine"]).training.schedule.arguments == {}
    assert parse_configuration({"training": linear}).training.schedule.arguments == {}


def test_two_runs_of_one_name_are_refused():
    named = {"tiny_hep-th_all": {"model": "tiny", "dataset": "gr-qc", "layers": "all"}}
    assert "two runs are called 'tiny_hep-th_all'" in fault({**SMALL, "runs": named})


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"model": "tiny"}, "needs 'dataset' and 'layers'"),
        ({"adapter": {"path": "a"}}, "needs a 'model'"),
        ({"model": "tiny", "adapter": {"path": "a"}, "completions": "c.csv"}, "not both"),
        ({"model": "tiny", "adapter": {"hub": "a/b"}}, "needs a 'revision'"),
        ({"model": "tiny", "adapter": {"hub": "a/b", "path": "c", "revision": "d"}}, "either 'path' or 'hub'"),
    ],
)
def test_a_named_run_is_of_one_kind(entry, message):
    assert message in fault({**SMALL, "runs": {"mine": entry}})


def test_evaluation_is_as_trained_unless_configured_otherwise():
    configuration = parse_configuration({**SMALL, "quantization": {"method": "fp4"}})
    run = resolve_runs(configuration)["tiny_hep-th_all"]
    assert completion_stage(configuration, run, "unseen").quantization.method == "fp4"
    parsed = parse_configuration({**SMALL, "evaluation": {"quantization": {"method": "none"}}})
    assert perplexity_stage(parsed, run, "unseen").quantization.method == "none"
    assert training_stage(parsed, run).quantization.method == "nf4"


def test_an_adapter_may_know_its_base_by_an_earlier_name():
    models = {"llama": {"hub": "meta/new", "revision": "abc", "also_known_as": ["meta/old"]}}
    assert base_names(parse_configuration({"models": models}), "llama") == ["meta/new", "meta/old"]


def test_gpus_of_a_run_win_over_the_stage():
    named = {"mine": {"model": "tiny", "dataset": "hep-th", "layers": "all", "gpus": 3}}
    configuration = parse_configuration({**SMALL, "runs": named})
    runs = resolve_runs(configuration)
    assert [gpus(configuration, runs[name]) for name in ("mine", "tiny_hep-th_all")] == [3, 1]
    held = gpus_of_jobs(configuration, runs)
    assert (held["train"], held["train/mine"], held["metric"]) == (1, 3, 1)
    assert "train/tiny_hep-th_all" not in held


def test_the_published_defaults_are_the_papers():
    training = parse_configuration({}).training
    assert training.optimizer.learning_rate == 3e-4
    assert training.optimizer.betas == (0.9, 0.95)
    assert training.schedule.arguments == {"min_lr_rate": 0.01}
    assert (training.num_train_epochs, training.batch_size, training.max_grad_norm) == (4, 16, 1.0)


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ({"scorers": {}}, "config: $: 'scorers' is now called 'metrics'; rename it"),
        ({"scoring": {}}, "config: $: 'scoring' is now called 'perplexity'; rename it"),
        ({"resources": {"score": {}}}, "config: $.resources: 'score' is now called 'perplexity'; rename it"),
        (
            {"training": {"evaluation": {"watched": 1}}},
            "config: $.training.evaluation: 'watched' is now called 'control_prompts'; rename it",
        ),
    ],
)
def test_a_key_of_an_earlier_version_names_the_new_one(raw, message):
    assert fault(raw) == message


@pytest.mark.parametrize(
    ("training", "message"),
    [
        ({"optimizer": {"name": "adamw_torc"}}, "optimizer.name: cannot be 'adamw_torc'; did you mean 'adamw_torch'?"),
        ({"optimizer": {"name": "x"}}, "optimizer.name: cannot be 'x'; there is 'adafactor', 'adagrad'"),
        ({"schedule": {"name": "cosin"}}, "schedule.name: cannot be 'cosin'; did you mean 'cosine'?"),
        ({"schedule": {"name": "reduce_lr_on_plateau"}}, "schedule.name: cannot be 'reduce_lr_on_plateau'"),
    ],
)
def test_unknown_optimizers_and_schedules_are_refused_at_parsing(training, message):
    for raw, place in (({"training": training}, "$.training"), ({"runs": {"a": {"model": "tiny", "dataset": "hep-th",
                        "layers": "all", "training": training}}}, "$.runs.a.training")):  # fmt: skip
        said = fault({**SMALL, **raw})
        assert said.startswith(f"config: {place}.{message}") and len(said) <= 200


def test_the_names_of_optimizers_and_schedules_are_those_of_transformers():
    from transformers import SchedulerType
    from transformers.training_args import OptimizerNames

    need_a_metric = {SchedulerType.REDUCE_ON_PLATEAU, SchedulerType.GREEDY}
    assert set(typing.get_args(OptimizerName)) == {member.value for member in OptimizerNames}
    assert set(typing.get_args(ScheduleName)) == {member.value for member in set(SchedulerType) - need_a_metric}


HUGE = 10**30


@pytest.mark.parametrize(
    ("raw", "place"),
    [
        ({"seed": -1}, "$.seed"),
        ({"seed": HUGE}, "$.seed"),
        ({"seed": 1.5}, "$.seed"),
        ({"training": {"batch_size": HUGE}}, "$.training.batch_size"),
        ({"training": {"num_train_epochs": float("inf")}}, "$.training.num_train_epochs"),
        ({"training": {"max_grad_norm": float("nan")}}, "$.training.max_grad_norm"),
        ({"training": {"optimizer": {"learning_rate": HUGE}}}, "$.training.optimizer.learning_rate"),
        ({"training": {"optimizer": {"betas": [0.9, 1.5]}}}, "$.training.optimizer.betas"),
        ({"training": {"checkpoint_minutes": ".inf"}}, "$.training.checkpoint_minutes"),
        ({"training": {"evaluation": {"test_rows": -1}}}, "$.training.evaluation.test_rows"),
        ({"lora": {"alpha": HUGE}}, "$.lora.alpha"),
        ({"generation": {"temperature": float("inf")}}, "$.generation.temperature"),
        ({"resources": {"train": {"gpu": -1}}}, "$.resources.train.gpu"),
        ({"resources": {"train": {"mem_mb": HUGE}}}, "$.resources.train.mem_mb"),
        ({"report": {"uncertainty": {"resamples": HUGE}}}, "$.report.uncertainty.resamples"),
        ({"layer_sets": {"all": []}}, "$.layer_sets.all"),
        ({"layer_sets": {"all": ["a b"]}}, "$.layer_sets.all.0"),
        ({"evaluation_sets": {"unseen": {"dataset": "hep-th", "limit": 0}}}, "$.evaluation_sets.unseen.limit"),
        ({"evaluation_sets": []}, "$.evaluation_sets"),
        ({"models": {"tiny": {"path": ""}}}, "$.models.tiny.path"),
        ({"models": {"tiny": {"path": "a\x00b"}}}, "$.models.tiny.path"),
        ({"models": {"tiny": {"path": "a\nb"}}}, "$.models.tiny.path"),
        ({"models": {"tiny": {"hub": "a/b/c", "revision": "x"}}}, "$.models.tiny.hub"),
        ({"models": {"n" * 300: {"path": "x"}}}, "$.models."),
        ({"snapshots": {"arxiv": None}}, "$.snapshots.arxiv"),
        ({"training": "x" * 5000}, "$.training"),
        ({"training": {"batch_size": "\x1b[31m" + "x" * 5000}}, "$.training.batch_size"),
        ({"hub": {"adapters": "{organisation}/{run.__class__}"}}, "$.hub.adapters"),
        ({"hub": {"adapters": "{organisation!r}/{run}"}}, "$.hub.adapters"),
        ({"hub": {"tables": "{organisation}/{"}}, "$.hub.tables"),
        ({"report": {"compared_layers": [["all", "all"]]}}, "$.report"),
        ({"report": {"compared_layers": [["all", "nope"]]}}, "$.report.compared_layers: no 'nope' in 'layer_sets'"),
    ],
)
def test_values_out_of_bounds_are_one_short_line_with_their_place(raw, place):
    said = fault({**SMALL, **raw})
    assert said.startswith(f"config: {place}"), said
    assert len(said) <= 240 and said.isprintable()


def test_nothing_to_run_is_refused():
    assert "$.evaluation_sets: there is none" in fault({**SMALL, "evaluation_sets": {}})
    assert "no runs; name models" in fault({**SMALL, "grid": {}})
    assert "no runs; name models" in fault({"evaluation_sets": {"x": {"dataset": "d"}}, "datasets": {
        "d": {"files": {"train": "a", "test": "b", "validation": "c"}}}})  # fmt: skip


def test_names_that_are_too_long_for_files_are_refused():
    names = {registry: {letter * 80: value} for registry, letter, value in (
        ("models", "m", {"path": "x"}), ("datasets", "d", SMALL["datasets"]["gr-qc"]), ("layer_sets", "l", ["q_proj"]),
    )}  # fmt: skip
    grid = {registry: list(entries) for registry, entries in names.items()}
    datasets = {**SMALL["datasets"], **names["datasets"]}
    assert "has a name of over 200 characters" in fault({**SMALL, **names, "datasets": datasets, "grid": grid})


def test_a_key_that_is_too_long_is_cut_in_its_place_and_in_its_value():
    said = fault({**SMALL, "datasets": {**SMALL["datasets"], "d" * 500: SMALL["datasets"]["gr-qc"]}})
    assert said.startswith(f"config: $.datasets.{'d' * 49}…: ") and len(said) <= 200


def test_a_configuration_that_contains_itself_is_one_line():
    training = {}
    training["optimizer"] = training
    assert "nested too deeply" in fault({**SMALL, "training": training})
