"""The settings of a run: the sections of the configuration, under overrides of its model and of the run."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from feyntune.config.grid import PLACE
from feyntune.config.load import Configuration, parse_section
from feyntune.config.schema.runs import Overrides
from feyntune.core.schema import Section, lay_over

if TYPE_CHECKING:
    from feyntune.config.runs import Run

AnySection = TypeVar("AnySection", bound=Section)


def section_of(configuration: Configuration, run: Run, name: str, section: type[AnySection]) -> AnySection:
    """A section for a run: the configuration's, under the model's overrides, under what the grid varies, under the
    run's own."""
    values: AnySection = getattr(configuration, name)
    assert isinstance(values, section)
    for place, overrides in overrides_of(configuration, run):
        values = changed(values, getattr(overrides, name), f"{place}.{name}")
    return values


def changed(values: AnySection, changes: AnySection | None, place: str) -> AnySection:
    """A section with the keys that were given in ``changes``, at ``place`` in the configuration."""
    if changes is None:
        return values
    return parse_section(type(values), lay_over(values.model_dump(), changes.model_dump(exclude_unset=True)), place)


def overrides_of(configuration: Configuration, run: Run) -> list[tuple[str, Overrides]]:
    """The places that may override settings of a run, and their content; the later ones win."""
    model, own = configuration.models.get(str(run.model)), configuration.runs.get(run.name)
    places = [(f"$.models.{run.model}", model), (PLACE, run.variation.overrides), (f"$.runs.{run.name}", own)]
    return [(place, overrides) for place, overrides in places if overrides is not None]
