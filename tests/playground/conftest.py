"""Runs of a tiny model, with and without an adapter."""

import pytest

from feyntune.config.load import parse_configuration
from feyntune.playground.models import chosen_runs, runs_with_models
from feyntune.playground.session import Session


@pytest.fixture(scope="session")
def configuration(tiny_model, tiny_adapter):
    """A configuration, before it is parsed: a base model, two published adapters, and a run that is not trained."""
    adapter = {"model": "tiny", "adapter": {"path": str(tiny_adapter)}}
    return {
        "datasets": {"own": {"files": {"train": "a.parquet", "test": "b.parquet", "validation": "c.parquet"}}},
        "models": {"tiny": {"path": str(tiny_model), "also_known_as": ["tiny"]}},
        "layer_sets": {"all": ["q_proj"]},
        "grid": {"models": ["tiny"], "datasets": ["own"], "layer_sets": ["all"]},
        "runs": {"ours.v1": adapter, "theirs": {**adapter, "generation": {"temperature": 0}}},
        "evaluation_sets": {"unseen": {"dataset": "own"}},
        "quantization": {"method": "none"},
        "precision": {"dtype": "float32"},
        "generation": {"max_new_tokens": 40, "temperature": 1.0},
    }


@pytest.fixture(scope="session")
def available(configuration):
    """The runs that can be tried."""
    return runs_with_models(parse_configuration(configuration))


@pytest.fixture(scope="session")
def session(available):
    """A session of three runs."""
    return Session(chosen_runs(available, ["tiny_base", "ours.v1", "theirs"]))
