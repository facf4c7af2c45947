"""Groups of runs that differ in their seed only."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from feyntune.config.load import Configuration
from feyntune.config.overrides import section_of
from feyntune.config.runs import Run
from feyntune.config.schema.report import Group
from feyntune.config.schema.runs import Overrides
from feyntune.core.schema import Section

SECTIONS = tuple(name for name in Overrides.model_fields if name != "gpus")
"""The sections that a run may override. On how many GPUs it is trained is not part of what it is."""


def seed_groups(configuration: Configuration, runs: Mapping[str, Run]) -> list[Group]:
    """The runs as the report compares them: those that differ in their seed only are one group.

    Every run is in one group, in the order of the runs. Empty if no run has a seed of its own and nothing is varied:
    then runs are reported one by one.

    Args:
        configuration: the configuration.
        runs: from ``resolve_runs``.
    """
    if not any(run.seed is not None or run.variation.values for run in runs.values()):
        return []
    members: dict[str, list[Run]] = {}
    for run in runs.values():
        key, seed = _key(configuration, run), _seed(configuration, run)
        while any(_seed(configuration, other) == seed for other in members.get(key, [])):
            key += "+"  # the same training under two names: another seed would tell more
        members.setdefault(key, []).append(run)
    taken = set(runs)
    groups = []
    for of_group in members.values():
        name = _name(of_group, taken)
        taken.add(name)
        varied = {key: json.loads(json.dumps(value)) for key, value in of_group[0].variation.values.items()}
        seeds = [_seed(configuration, run) for run in of_group] if of_group[0].kind == "trained" else []
        groups.append(Group(name=name, runs=[run.name for run in of_group], seeds=seeds, varied=varied))
    return groups


def _seed(configuration: Configuration, run: Run) -> int:
    return configuration.seed if run.seed is None else run.seed


def _key(configuration: Configuration, run: Run) -> str:
    """A text that is equal for runs of one group."""
    if run.kind != "trained":
        return run.name
    sections = [section_of(configuration, run, name, _type(configuration, name)) for name in SECTIONS]
    return json.dumps([run.model, run.dataset, run.layers, *(each.model_dump(mode="json") for each in sections)])


def _type(configuration: Configuration, name: str) -> type[Section]:
    return type(getattr(configuration, name))


def _name(members: Sequence[Run], taken: set[str]) -> str:
    """The name of the first run without its seed; in full if another run or group has that name."""
    first = members[0]
    short = first.name.removesuffix(f"_s{first.seed}")
    return first.name if short in taken else short
