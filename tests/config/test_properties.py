"""Whatever stands in a configuration: it is accepted, or refused in one line."""

import random

import hypothesis
from hypothesis import strategies

from feyntune.config.files import read_yaml
from feyntune.config.load import Configuration, parse_configuration
from feyntune.config.names import check_names
from feyntune.config.runs import resolve_runs
from feyntune.config.stages import completion_stage, perplexity_stage, training_stage
from feyntune.core.errors import FeynTuneError
from support.config_examples import SMALL

BOUNDED = hypothesis.settings(derandomize=True, max_examples=200, deadline=None, database=None)
SCALARS = (
    strategies.none()
    | strategies.booleans()
    | strategies.integers()
    | strategies.floats()
    | strategies.text(max_size=30)
    | strategies.dates()
    | strategies.sampled_from(["hep-th", "tiny", "all", "null", "1e-4", "../x", "x" * 300, "{run}", 10**30, -1])
)
KEYS = strategies.text(max_size=10) | strategies.integers() | strategies.sampled_from(["name", "dataset"])
VALUES = strategies.recursive(
    SCALARS,
    lambda inner: strategies.lists(inner, max_size=3) | strategies.dictionaries(KEYS, inner, max_size=3),
    max_leaves=6,
)


def places(value, path=()):
    """Every place inside nested dicts and lists."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from places(item, (*path, key))


def replaced(value, path, new):
    """A copy with another value at a place."""
    if not path:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = replaced(value[path[0]], path[1:], new)
    return copy


WHOLE = {**Configuration().model_dump(mode="json"), **SMALL, "metrics": {"rouge": None}, "runs": {
    "mine": {"model": "tiny", "dataset": "hep-th", "layers": "all", "training": {"batch_size": 2}},
    "imported": {"completions": "c.csv"},
}}  # fmt: skip
PLACES = sorted(places(WHOLE), key=str)


def used(raw):
    """Do with a configuration what the workflow does before any rule."""
    configuration = parse_configuration(raw)
    check_names(configuration, frozenset({"models"}))
    runs = resolve_runs(configuration)
    for run in runs.values():
        if run.kind == "trained":
            training_stage(configuration, run).model_dump_json()
        if run.kind != "imported":
            for name in configuration.evaluation_sets:
                completion_stage(configuration, run, name).model_dump_json()
                perplexity_stage(configuration, run, name).model_dump_json()


def accepted_or_one_line(function, *arguments):
    try:
        function(*arguments)
    except FeynTuneError as error:
        message = str(error)
        assert message.isprintable() and len(message) <= 240, message
        assert message.startswith("config: ")


def test_the_example_is_accepted():
    used(WHOLE)


@BOUNDED
@hypothesis.given(place=strategies.sampled_from(PLACES), value=VALUES)
def test_any_value_at_any_place(place, value):
    accepted_or_one_line(used, replaced(WHOLE, place, value))


@BOUNDED
@hypothesis.given(place=strategies.sampled_from(PLACES), key=KEYS, value=VALUES)
def test_any_key_at_any_place(place, key, value):
    inner = WHOLE
    for part in place:
        inner = inner[part]
    hypothesis.assume(isinstance(inner, dict))
    accepted_or_one_line(used, replaced(WHOLE, place, {**inner, key: value}))


@BOUNDED
@hypothesis.given(seed=strategies.integers(0, 2**32), cuts=strategies.integers(1, 4))
def test_any_damage_to_a_file(tmp_path_factory, seed, cuts):
    drawn = random.Random(seed)
    text = bytearray(b"seed: 1\ndatasets: &a\n  hep-th: {snapshot: x, categories: [hep-th]}\nruns: *a\nlora:\n  r: 2\n")
    for _ in range(cuts):
        place = drawn.randrange(len(text))
        text[place : place + drawn.randrange(3)] = drawn.choice([b"", b"\xff", b"\t", b"*a", b"&a", b"[", b"}", b"\n"])
    path = tmp_path_factory.getbasetemp() / "damaged.yaml"
    path.write_bytes(bytes(text))
    accepted_or_one_line(read_yaml, path)
