"""The whole configuration: composed of each stage's settings, checked strictly, with errors of one line."""

import difflib
import typing

from pydantic import Field, ValidationError

from feyntune.config.schema.base import Name, Section
from feyntune.config.schema.data import Dataset, Leaks
from feyntune.config.schema.demo import Demo
from feyntune.config.schema.evaluation import EvaluationPrecision, EvaluationSet
from feyntune.config.schema.generation import Generation
from feyntune.config.schema.hub import Hub
from feyntune.config.schema.metrics import Metric
from feyntune.config.schema.models import Lora, Precision, Quantization
from feyntune.config.schema.perplexity import Perplexity
from feyntune.config.schema.planning import Planning
from feyntune.config.schema.report import Report
from feyntune.config.schema.resources import Resources
from feyntune.config.schema.runs import Grid, Model, NamedRun
from feyntune.config.schema.similarity import Similarity
from feyntune.config.schema.training import Tracking, Training
from feyntune.core.errors import FeynTuneError


class Configuration(Section):
    """Every key that `config/*.yaml` may have."""

    seed: int = 42
    """Seed of everything random that has no seed of its own."""
    snapshots: dict[Name, str] = {}
    """arXiv metadata snapshots: a name, and the file (JSON lines, plain, `.gz` or `.zip`)."""
    control_papers: list[str] = ["1804.08625", "1404.0016", "1205.2086", "1209.5915", "1802.05268"]
    """Papers that are in no split: a training completes them at each evaluation, for people to watch."""
    datasets: dict[Name, Dataset] = {}
    """Training and evaluation data, each with the splits train, test and validation."""
    leaks: Leaks = Leaks()
    """What a training split may not share with the other splits of what it is made of; if it is a mixture's (also one
    of a single dataset, `mix: [hep-ph]`), nor with any abstracts that runs are judged on."""
    models: dict[Name, Model] = {}
    """Base models."""
    layer_sets: dict[Name, list[str]] = {}
    """Which linear layers of the model are adapted, by their names in the model."""
    grid: Grid = Grid()
    """Runs in bulk."""
    runs: dict[Name, NamedRun] = {}
    """Runs of their own names, with their own settings."""
    evaluation_sets: dict[Name, EvaluationSet] = {}
    """The abstracts on which all runs are judged."""
    metrics: dict[Name, Metric] = {}
    """Sentence-embedding models that compare completions with abstracts; `semscore` and `jina` are the paper's."""
    lora: Lora = Lora()
    """The adapter."""
    quantization: Quantization = Quantization()
    """Storage of the base model's weights."""
    precision: Precision = Precision()
    """Number formats."""
    training: Training = Training()
    """How an adapter is trained."""
    evaluation: EvaluationPrecision = EvaluationPrecision()
    """Storage and number formats for completions and scores."""
    generation: Generation = Generation()
    """How abstracts are completed."""
    perplexity: Perplexity = Perplexity()
    """Perplexity and embeddings."""
    similarity: Similarity = Similarity()
    """Matrices of cosines."""
    report: Report = Report()
    """Tables, figures and the report."""
    tracking: Tracking = Tracking()
    """Weights & Biases."""
    hub: Hub = Hub()
    """Publishing."""
    resources: Resources = Resources()
    """What jobs ask for."""
    planning: Planning = Planning()
    """What `snakemake plan` goes by where nothing has been measured yet."""
    demo: Demo = Field(default_factory=Demo)
    """The made-up snapshot, model and metrics of the embedded default."""


RENAMED = {
    "scorers": "metrics",
    "scoring": "perplexity",
    "scores": "metrics",
    "watched": "control_prompts",
    "score": "perplexity",
    "semscore": "metrics",
    "card": "gpu",
}
"""Keys of earlier versions and what they are called now, for error messages."""


def parse_configuration(raw):
    """Check a configuration as Snakemake read it, and fill in the defaults.

    Args:
        raw: nested dicts and lists; values given by ``--config`` may be text where numbers are meant.

    Raises:
        FeynTuneError: with the place, the fault, and the likely key, in one line.
    """
    return parse_section(Configuration, raw, "$")


def parse_section(section, raw, place):
    """Check ``raw`` against a Section class; faults are told as being at ``place`` (``$.runs.mine.training``)."""
    try:
        return section.model_validate(_nulls(raw))
    except ValidationError as error:
        raise FeynTuneError(_first_fault(section, error, place)) from None


def _nulls(value):
    """Turn the text ``null`` into None, at any depth: ``--config`` hands nested values over as text."""
    if isinstance(value, dict):
        return {key: _nulls(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_nulls(item) for item in value]
    return None if value in ("null", "~") else value


def _first_fault(section, error, place):
    faults = error.errors()
    fault = faults[0]
    more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
    *parents, key = fault["loc"] or ("",)
    if fault["type"] == "extra_forbidden":
        where = ".".join([place, *map(str, parents)])
        known = _keys_at(section, parents)
        if RENAMED.get(key) in known:
            return f"config: {where}: {key!r} is now called {RENAMED[key]!r}; rename it{more}"
        return f"config: {where}: unknown key {key!r}{did_you_mean(key, known)}{more}"
    where = ".".join([place, *(str(part) for part in fault["loc"] if part != "[key]")])
    return f"config: {where}: {_message(fault)}{more}"


def _message(fault):
    if fault["type"] == "string_pattern_mismatch":
        return f"{fault['input']!r} is no name: use letters, digits, '.', '_' and '-' (no slash, no space)"
    if fault["type"] == "value_error":
        return str(fault["ctx"]["error"])
    return f"{fault['msg'][0].lower()}{fault['msg'][1:]}, not {fault['input']!r}"


def did_you_mean(word, known):
    """The end of an error about an unknown ``word``: the likely one of ``known``, or all of them."""
    likely = difflib.get_close_matches(str(word), list(known), n=1)
    if likely:
        return f"; did you mean {likely[0]!r}?"
    return f"; there is {', '.join(map(repr, known))}" if known else "; there is none"


def _keys_at(annotation, location):
    """The keys that a Section may have at a location inside another."""
    for part in location:
        annotation = _inside(annotation, part)
    return list(getattr(section_in(annotation), "model_fields", {}))


def _inside(annotation, part):
    section = section_in(annotation)
    if section is not None:
        return section.model_fields[part].annotation if part in section.model_fields else None
    arguments = typing.get_args(annotation)
    return arguments[-1] if arguments else None


def section_in(annotation):
    """The Section in an annotation such as ``Dataset`` or ``Source | None``, if there is one."""
    candidates = [annotation, *(typing.get_args(annotation) if typing.get_origin(annotation) is not dict else ())]
    return next((c for c in candidates if isinstance(c, type) and issubclass(c, Section)), None)
