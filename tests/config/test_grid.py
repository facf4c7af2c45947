"""Seeds and varied settings multiply the grid; what is wrong with them is one line with its place."""

import pytest

from feyntune.config.load import parse_configuration
from feyntune.config.runs import resolve_runs
from feyntune.config.stages import completion_stage, perplexity_stage, training_stage
from feyntune.core.errors import FeynTuneError
from support.config_examples import SMALL

ONE = {"models": ["tiny"], "datasets": ["hep-th"], "layer_sets": ["all"]}
NAMED = {"model": "tiny", "dataset": "hep-th", "layers": "all"}


def declared(**grid):
    configuration = parse_configuration({**SMALL, "grid": {**ONE, **grid}})
    return configuration, resolve_runs(configuration)


def fault(runs=None, **grid):
    with pytest.raises(FeynTuneError) as caught:
        resolve_runs(parse_configuration({**SMALL, "grid": {**ONE, **grid}, "runs": runs or {}}))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_seeds_are_runs_of_their_own_and_the_base_model_has_none():
    _, runs = declared(seeds=[1, 2, 3])
    assert list(runs) == ["tiny_base", "tiny_hep-th_all_s1", "tiny_hep-th_all_s2", "tiny_hep-th_all_s3"]


def test_a_seed_decides_the_training_and_nothing_else():
    configuration, runs = declared(seeds=[1, 2])
    one, two = (training_stage(configuration, runs[f"tiny_hep-th_all_s{seed}"]) for seed in (1, 2))
    assert (one.seed, two.seed, configuration.seed) == (1, 2, 42)
    assert (one.seed_of_evaluations, two.seed_of_evaluations) == (42, 42)
    assert one.model_dump(mode="json")["evaluation_seed"] == 42
    assert one.model_copy(update={"seed": 2, "run": two.run}) == two
    for stage in (completion_stage, perplexity_stage):
        one, two = (stage(configuration, runs[f"tiny_hep-th_all_s{seed}"], "unseen") for seed in (1, 2))
        assert one.model_copy(update={"run": two.run}) == two


def test_without_seeds_runs_and_settings_are_those_of_a_grid_that_has_no_such_keys():
    configuration, runs = declared()
    assert list(runs) == ["tiny_base", "tiny_hep-th_all"]
    stage = training_stage(configuration, runs["tiny_hep-th_all"])
    assert (stage.seed, stage.seed_of_evaluations) == (42, 42)
    assert "evaluation_seed" not in stage.model_dump(mode="json")  # finished trainings stay valid
    plain = parse_configuration({**SMALL, "grid": {**ONE, "seeds": [], "vary": {}}})
    assert resolve_runs(plain) == runs


def test_a_named_run_has_a_seed_of_its_own():
    configuration = parse_configuration({**SMALL, "runs": {"mine": {**NAMED, "seed": 7}, "other": NAMED}})
    runs = resolve_runs(configuration)
    assert [training_stage(configuration, runs[name]).seed for name in ("mine", "other")] == [7, 42]


def test_varied_settings_multiply_the_grid_and_reach_the_training():
    configuration, runs = declared(
        vary={"lora.r": [8, 32], "training.optimizer.learning_rate": ["1e-4", 3e-4]}, seeds=[5]
    )
    names = [f"tiny_hep-th_all_r{r}_lr{lr}_s5" for r in (8, 32) for lr in ("0.0001", "0.0003")]
    assert list(runs)[1:] == names
    stages = [training_stage(configuration, runs[name]) for name in names]
    assert [(stage.lora.r, stage.training.optimizer.learning_rate) for stage in stages] == [
        (8, 1e-4), (8, 3e-4), (32, 1e-4), (32, 3e-4),
    ]  # fmt: skip
    assert {stage.lora.alpha for stage in stages} == {32}
    assert runs[names[0]].variation.values == {"lora.r": 8, "training.optimizer.learning_rate": 1e-4}


def test_varied_settings_win_over_those_of_the_model():
    grid = {**ONE, "models": ["other"], "vary": {"training.batch_size": [2]}}  # the model says 4
    configuration = parse_configuration({**SMALL, "grid": grid})
    run = resolve_runs(configuration)["other_hep-th_all_batch2"]
    assert training_stage(configuration, run).training.batch_size == 2


@pytest.mark.parametrize(
    ("vary", "label"),
    [
        ({"lora.use_dora": [True]}, "use_dora-true"),
        ({"training.optimizer.name": ["sgd"], "training.schedule.name": ["linear"]}, "optimizer-sgd_schedule-linear"),
        ({"training.optimizer.betas": [[0.9, 0.99]]}, "betas-0.9-0.99"),
        ({"training.max_length": [None]}, "max_length-none"),
        ({"training.max_steps": [10], "lora.alpha": [64.0], "lora.dropout": [0]}, "max_steps10_alpha64_dropout0"),
        ({"training.optimizer.eps": [1e-6]}, "eps1e-06"),
        ({"training.optimizer.arguments.fused": [True]}, "fused-true"),
        ({"generation.top_p": [0.5], "training.evaluation.top_p": [0.5]},
         "generation.top_p0.5_training.evaluation.top_p0.5"),
    ],
)  # fmt: skip
def test_names_of_varied_settings(vary, label):
    _, runs = declared(vary=vary)
    assert list(runs)[1:] == [f"tiny_hep-th_all_{label}"]


def test_a_template_names_varied_settings():
    _, runs = declared(
        vary={"lora.r": [8, 16], "training.optimizer.learning_rate": [1e-4]},
        vary_names="rank{r}-{training.optimizer.learning_rate}",
    )
    assert list(runs)[1:] == ["tiny_hep-th_all_rank8-0.0001", "tiny_hep-th_all_rank16-0.0001"]


@pytest.mark.parametrize(
    ("grid", "message"),
    [
        ({"vary": {"lora.rr": [8]}}, "$.grid.vary.lora: unknown key 'rr'; did you mean 'r'?"),
        ({"vary": {"lorra.r": [8]}}, "$.grid.vary: unknown key 'lorra'; did you mean 'lora'?"),
        ({"vary": {"seed": [8]}}, "$.grid.vary: unknown key 'seed'"),
        ({"vary": {"lora.r": [8, 0]}}, "$.grid.vary.lora.r: input should be greater than or equal to 1, not 0"),
        ({"vary": {"lora.r": []}}, "$.grid.vary.lora.r: list should have at least 1 item"),
        ({"vary": {"lora.r": [8, "8"]}}, "$.grid.vary.lora.r: '8' occurs twice; keep one of them"),
        ({"vary": {"lora": [{"r": 8}]}}, "$.grid.vary: 'lora' is not one value; vary the keys that it contains"),
        ({"vary": {"lora.r": 8}}, "$.grid.vary.lora.r: input should be a valid list, not 8"),
        ({"vary": {"lora.r": [8]}, "vary_names": "{rank}"}, "$.grid.vary_names: no 'rank' among the varied keys"),
        ({"vary": {"lora.r": [8, 9]}, "vary_names": "x"},
         "$.grid.vary_names: 'x' names two runs; let it contain {lora.r}"),
        ({"vary": {"lora.r": [8]}, "vary_names": "r {r}"}, "$.grid.vary: 'r 8' is not a name"),
        ({"vary_names": "x"}, "$.grid.vary_names: nothing is varied; give 'vary', or remove it"),
        ({"seeds": [1, "1"]}, "$.grid: 'seeds' has a seed twice; each must be another one"),
        ({"seeds": [-1]}, "$.grid.seeds.0: input should be greater than or equal to 0, not -1"),
        ({"vary": {"lora.r": list(range(1, 101)), "lora.alpha": list(range(1, 101))}, "seeds": [1, 2]},
         "$.grid: 20,000 trainings; declare at most 10,000"),
    ],
)  # fmt: skip
def test_a_fault_is_one_line_with_its_place(grid, message):
    assert fault(**grid).startswith(f"config: {message}")


def test_names_that_collide_are_refused():
    assert "two runs are called 'tiny_hep-th_all_s1'" in fault(runs={"tiny_hep-th_all_s1": NAMED}, seeds=[1])


@pytest.mark.parametrize("kind", [{"adapter": "a"}, {"adapter": {"path": "a"}}, {"completions": "c.csv"}])
def test_a_run_that_is_not_trained_has_no_seed(kind):
    assert "$.runs.mine" in fault(runs={"mine": {"model": "tiny", "seed": 1, **kind}})
