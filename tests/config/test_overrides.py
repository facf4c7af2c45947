"""A section that is given in part keeps the other keys of its default, at every depth."""

import pytest

from feyntune.config.load import Configuration, container_in, parse_configuration
from feyntune.config.runs import resolve_runs
from feyntune.config.stages import completion_stage, perplexity_stage, training_stage
from feyntune.core.errors import FeynTuneError
from feyntune.core.schema import Section
from support.config_examples import SMALL

DEFAULTS = Configuration().model_dump()
# Values that some key has to have so that it differs from its default; the others are found by ``other``.
OTHER = {
    **{"name": "linear", "hub": None, "adapters": "me/{run}", "tables": "me/{table}"},
    **{"merged": "me/{run}-m", "merged_weights": "original"},
}


def leaves(section, path=()):
    """Every key of the sections that a Configuration always has: its path, and its default."""
    for name, field in type(section).model_fields.items():
        value = getattr(section, name)
        if isinstance(value, Section):
            yield from leaves(value, (*path, name))
        elif container_in(field.annotation) is None and path:
            yield pytest.param((*path, name), value, id=".".join((*path, name)))


def other(name, value):
    """Values of which one is valid for a key and differs from its default."""
    if isinstance(value, bool):
        return [not value]
    numbers = [value + 1, value + 64, value / 2 or 0.5, 0.6] if isinstance(value, int | float) else [9, 128]
    words = "float32 float16 none eager linear sgd truncate drop all offline refuse quantised vllm pissa".split()
    words += ["full", "fsdp", "best", "x"]
    candidates = [*([OTHER[name]] if name in OTHER else []), [0.1, 0.2], *numbers, *words, True]
    return [candidate for candidate in candidates if candidate != value]


def nested(path, value):
    for key in reversed(path):
        value = {key: value}
    return value


def changed(path, value):
    """The configuration with one key changed to a valid value, and that value."""
    for candidate in other(path[-1], value):
        try:
            parsed = parse_configuration(nested(path, candidate))
        except FeynTuneError:
            continue
        return parsed.model_dump(), candidate
    raise AssertionError(f"no valid value found for {path}")


@pytest.mark.parametrize(("path", "value"), list(leaves(Configuration())))
def test_one_key_changes_nothing_else(path, value):
    found, candidate = changed(path, value)
    expected = Configuration().model_dump()
    target = expected
    for key in path[:-1]:
        target = target[key]
    target[path[-1]] = type(value)(candidate) if isinstance(value, tuple) else candidate
    assert target[path[-1]] != value
    if path == ("training", "schedule", "name"):
        target["arguments"] = {}  # they belong to the schedule of another name
    assert found == expected


@pytest.mark.parametrize(
    ("raw", "path", "expected"),
    [
        ({"resources": {"train": {"runtime": 600}}}, ("resources", "train"), {"runtime": 600}),
        ({"hub": {"table_names": {"jina": "j"}}}, ("hub", "table_names"), {"jina": "j"}),
        ({"demo": {"metrics": {"jina": {"dimensions": 32}}}}, ("demo", "metrics", "jina"), {"dimensions": 32}),
        ({"demo": {"metrics": {"mine": {}}}}, ("demo", "metrics"), {"mine": {"seed": 42, "dimensions": 64}}),
    ],
)
def test_registries_and_resources_with_defaults_keep_the_rest(raw, path, expected):
    found, default = parse_configuration(raw).model_dump(), DEFAULTS
    for key in path:
        found, default = found[key], default[key]
    assert found == {**default, **expected}


def test_training_keeps_its_gpu_when_only_its_time_is_given():
    train = parse_configuration({"resources": {"train": {"runtime": 600}}}).resources.train
    assert (train.gpu, train.threads, train.mem_mb, train.runtime) == (1, 14, 53900, 600)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, ("fp4", True, "float32", "eager")),
        ({"quantization": {"double": False}}, ("fp4", False, "float32", "eager")),
        ({"quantization": {"method": "none"}}, ("none", True, "float32", "eager")),
        ({"precision": {"attention": "sdpa"}}, ("fp4", True, "float32", "sdpa")),
        ({"precision": {"dtype": "bfloat16"}, "quantization": {}}, ("fp4", True, "bfloat16", "eager")),
    ],
)
def test_an_evaluation_that_is_given_in_part_is_otherwise_as_trained(given, expected):
    models = {"tiny": {"path": "x", "quantization": {"method": "fp4"}, "precision": {"dtype": "float32"}}}
    configuration = parse_configuration(
        {**SMALL, "models": models, "precision": {"attention": "eager"}, "evaluation": given}
    )
    run = resolve_runs(configuration)["tiny_hep-th_all"]
    for stage in (completion_stage(configuration, run, "unseen"), perplexity_stage(configuration, run, "unseen")):
        stored, formats = stage.quantization, stage.precision
        assert (stored.method, stored.double, formats.dtype, formats.attention) == expected
    stored = training_stage(configuration, run).quantization
    assert (stored.method, stored.double) == ("fp4", True)


def test_another_schedule_of_a_run_starts_without_the_arguments_of_the_configurations():
    schedule = {"name": "cosine_with_min_lr", "arguments": {"min_lr_rate": 0.2}}
    trained = {"model": "tiny", "dataset": "hep-th", "layers": "all"}
    named = {
        "linear": {**trained, "training": {"schedule": {"name": "linear"}}},
        "warm": {**trained, "training": {"schedule": {"warmup_ratio": 0.5}}},
    }
    configuration = parse_configuration({**SMALL, "training": {"schedule": schedule}, "runs": named})
    runs = resolve_runs(configuration)
    linear, warm = (training_stage(configuration, runs[name]).training.schedule for name in ("linear", "warm"))
    assert (linear.arguments, linear.warmup_ratio) == ({}, 0.1)
    assert (warm.arguments, warm.name, warm.warmup_ratio) == ({"min_lr_rate": 0.2}, "cosine_with_min_lr", 0.5)
