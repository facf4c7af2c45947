"""The whole configuration: composed of the stages' settings, checked strictly, with errors of one line."""

import difflib
import re
import typing
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, TypeVar

from pydantic import Field, ValidationError, field_validator
from pydantic_core import ErrorDetails

from feyntune.config.schema.data import Dataset, Leaks
from feyntune.config.schema.demo import Demo
from feyntune.config.schema.evaluation import EvaluationPrecision, EvaluationSet
from feyntune.config.schema.generation import Generation
from feyntune.config.schema.hub import Hub
from feyntune.config.schema.metrics import AnyMetric
from feyntune.config.schema.models import Lora, Precision, Quantization
from feyntune.config.schema.perplexity import Perplexity
from feyntune.config.schema.planning import Planning
from feyntune.config.schema.report import Report
from feyntune.config.schema.resources import Resources
from feyntune.config.schema.runs import Grid, Model, NamedRun
from feyntune.config.schema.similarity import Similarity
from feyntune.config.schema.training import Tracking, Training
from feyntune.core.errors import FeynTuneError, printable, shorten
from feyntune.core.schema import MEANINGS, Name, PathText, Section, Seed
from feyntune.evaluation.metrics import kind_of, kinds, metric_class
from feyntune.evaluation.metrics.base import MetricSettings

AnySection = TypeVar("AnySection", bound=Section)


class Configuration(Section):
    """Every key that `config/*.yaml` may have."""

    seed: Seed = 42
    """Seed of all random numbers that have no seed of their own."""
    snapshots: dict[Name, PathText] = {}
    """arXiv metadata snapshots: names and files (JSON lines, plain, `.gz` or `.zip`)."""
    control_papers: list[str] = ["1804.08625", "1404.0016", "1205.2086", "1209.5915", "1802.05268"]
    """Papers that are in no split: their abstracts are completed at each evaluation of a training (control prompts)."""
    datasets: dict[Name, Dataset] = {}
    """Training and evaluation data, each with the splits train, test and validation."""
    leaks: Leaks = Leaks()
    """Which abstracts are removed from a training split because they resemble abstracts of the other splits of its
    datasets; for a mixture (also of a single dataset, `mix: [hep-ph]`) also those of all evaluation sets."""
    models: dict[Name, Model] = {}
    """Base models."""
    layer_sets: dict[Name, Annotated[list[Name], Field(min_length=1)]] = {}
    """Linear layers that are adapted, by their names in the model."""
    grid: Grid = Grid()
    """Runs in bulk."""
    runs: dict[Name, NamedRun] = {}
    """Runs with their own names and settings."""
    evaluation_sets: dict[Name, EvaluationSet] = {}
    """Abstracts on which all runs are evaluated."""
    metrics: dict[Name, AnyMetric] = {}
    """Metrics that judge completions, each of a kind with its own keys; `semscore` and `jina` are the paper's."""
    lora: Lora = Lora()
    """The adapter."""
    quantization: Quantization = Quantization()
    """Storage of the base model's weights."""
    precision: Precision = Precision()
    """Number formats."""
    training: Training = Training()
    """How an adapter is trained."""
    evaluation: EvaluationPrecision = EvaluationPrecision()
    """Storage and number formats for completions and perplexities."""
    generation: Generation = Generation()
    """How abstracts are completed."""
    perplexity: Perplexity = Perplexity()
    """Perplexity and embeddings."""
    similarity: Similarity = Similarity()
    """Cosine similarities between abstracts."""
    report: Report = Report()
    """Tables, figures and the report."""
    tracking: Tracking = Tracking()
    """Weights & Biases."""
    hub: Hub = Hub()
    """Publishing."""
    resources: Resources = Resources()
    """What jobs request from the machine."""
    planning: Planning = Planning()
    """What plans assume where nothing has been measured yet."""
    demo: Demo = Field(default_factory=Demo)
    """The synthetic snapshot and models of the embedded default configuration."""

    @field_validator("metrics", mode="before")
    @classmethod
    def _metrics_of_their_kinds(cls, given: Any) -> Any:
        if not isinstance(given, Mapping):
            return given
        return {name: parse_metric(str(name), entry) for name, entry in given.items()}


def parse_metric(name: str, entry: Any) -> Any:
    """Check an entry of ``metrics`` with the schema of its kind; ``rouge: {}`` and ``rouge:`` are of the kind `rouge`.

    Raises:
        FeynTuneError: an unknown kind, or settings that the kind does not have.
    """
    place = f"$.metrics.{printable(name[:80])}"
    entry = {} if entry is None else entry
    if isinstance(entry, MetricSettings) or not isinstance(entry, Mapping):
        return entry
    kind = kind_of(name, entry)
    if kind is None:
        raise FeynTuneError(
            f"config: {place}: give a 'kind' ({', '.join(kinds())}), or 'path' or 'hub' of a sentence-embedding model"
        )
    if kind not in kinds():
        raise FeynTuneError(f"config: {place}.kind: there is no kind {shorten(kind)}{did_you_mean(kind, kinds())}")
    return parse_section(metric_class(kind).settings_schema, {**entry, "kind": kind}, place)


RENAMED = {
    "scorers": "metrics",
    "scoring": "perplexity",
    "scores": "metrics",
    "watched": "control_prompts",
    "score": "perplexity",
    "semscore": "metrics",
    "card": "gpu",
}
"""Keys of earlier versions and their present names, for error messages."""
DEEPEST = 30
"""Levels of nested values that a configuration may have."""


def parse_configuration(raw: dict[str, Any]) -> Configuration:
    """Check a configuration as Snakemake read it, and fill in the defaults.

    Args:
        raw: nested dicts and lists; values given by ``--config`` may be text where numbers are meant.

    Raises:
        FeynTuneError: with the place, the fault, and the likely key, in one line.
    """
    return parse_section(Configuration, raw, "$")


def parse_section(section: type[AnySection], raw: dict[str, Any], place: str) -> AnySection:
    """Check ``raw`` against a Section class; errors name the place as being inside ``place`` (``$.runs.mine.lora``)."""
    try:
        return section.model_validate(_nulls(raw, place))
    except ValidationError as error:
        raise FeynTuneError(printable(_first_fault(section, error, place))) from None


def _nulls(value: Any, place: str, level: int = 0) -> Any:
    """Turn the text ``null`` into None, at any depth: ``--config`` passes nested values as text."""
    if level > DEEPEST:
        raise FeynTuneError(f"config: {place}: nested too deeply, or an anchor contains itself; write the values out")
    if isinstance(value, dict):
        return {key: _nulls(item, place, level + 1) for key, item in value.items()}
    if isinstance(value, list):
        return [_nulls(item, place, level + 1) for item in value]
    return None if value in ("null", "~") else value


def _first_fault(section: type[Section], error: ValidationError, place: str) -> str:
    faults = [(_location(section, fault["loc"]), fault) for fault in error.errors()]
    location, fault = faults[0]
    others = len({tuple(location) for location, _ in faults}) - 1
    more = f" (and {others} more)" if others else ""
    if fault["type"] != "extra_forbidden":
        return f"config: {_dotted(place, location)}: {_message(fault)}{more}"
    *parents, key = location
    where, known = _dotted(place, parents), _keys_at(section, parents)
    renamed = RENAMED.get(str(key))
    if renamed in known:
        return f"config: {where}: {key!r} is now called {renamed!r}; rename it{more}"
    return f"config: {where}: unknown key {shorten(key, 40)}{did_you_mean(key, known)}{more}"


def _dotted(place: str, location: Sequence[int | str]) -> str:
    return ".".join([place, *(str(part) if len(str(part)) <= 50 else f"{str(part)[:49]}…" for part in location)])


def _message(fault: ErrorDetails) -> str:
    if fault["type"] == "string_pattern_mismatch":
        return f"{shorten(fault['input'])} {MEANINGS[fault['ctx']['pattern']]}"
    if fault["type"] == "value_error":
        return str(fault["ctx"]["error"])
    if fault["type"] == "literal_error":
        choices = re.findall(r"'([^']*)'", fault["ctx"]["expected"])
        return f"cannot be {shorten(fault['input'], 40)}{did_you_mean(fault['input'], choices)}"
    if fault["type"] == "missing":
        return "is required; give it a value"
    return f"{fault['msg'][0].lower()}{fault['msg'][1:]}, not {shorten(fault['input'])}"


def did_you_mean(word: object, known: Iterable[str]) -> str:
    """The end of an error about an unknown ``word``: the likely one of ``known``, or all of them."""
    known = list(known)
    likely = difflib.get_close_matches(str(word)[:80], known, n=1)
    if likely:
        return f"; did you mean {likely[0]!r}?"
    shown = known[:1] + [name for place, name in enumerate(known[1:], 1) if len(", ".join(known[: place + 1])) < 90]
    more = f" and {len(known) - len(shown)} more" if len(shown) < len(known) else ""
    return f"; there is {', '.join(map(repr, shown))}{more}" if known else "; there is none"


def _location(section: type[Section], location: Sequence[int | str]) -> list[int | str]:
    """The keys in an error's location, without what pydantic adds for the alternatives of a union."""
    container: Any = section
    kept: list[int | str] = []
    for part in location:
        if container is None or part == "[key]":
            break
        kept.append(part)
        container = _inside(container, part)
    return kept


def _keys_at(section: type[Section], location: Sequence[int | str]) -> list[str]:
    """The keys that a Section may have at a location inside another."""
    container: Any = section
    for part in location:
        container = _inside(container, part)
    return list(getattr(container, "model_fields", {}))


def _inside(container: Any, part: int | str) -> Any:
    """The Section, dict or list at a key or position of another one; None for any other value."""
    if isinstance(container, type) and issubclass(container, Section):
        field = container.model_fields.get(str(part))
        return container_in(field.annotation) if field else None
    return container_in(typing.get_args(container)[-1]) if typing.get_args(container) else None


def container_in(annotation: Any) -> Any:
    """The Section, dict or list type in an annotation such as ``list[Part] | None``; None if there is none."""
    if typing.get_origin(annotation) in (dict, list):
        return annotation
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return annotation
    found = (container_in(part) for part in typing.get_args(annotation))
    return next((container for container in found if container is not None), None)
