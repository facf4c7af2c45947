"""Names that the configuration may not choose, because files or folders have them already."""

from __future__ import annotations

import re
from pathlib import Path

from feyntune.config.load import Configuration
from feyntune.core.errors import FeynTuneError
from feyntune.core.schema import is_registry

DEQUANTISED = re.compile(r"(.+)\.(nf4|fp4)(-double)?-(bfloat16|float16|float32)")
"""Names of the folders of ``config.weights.dequantised_name``."""


def check_names(configuration: Configuration, folders: frozenset[str] = frozenset()) -> None:
    """Refuse names that would make two results one.

    Args:
        configuration: the configuration.
        folders: folders under ``results/`` that hold other results than a metric's, from ``result_folders``.

    Raises:
        FeynTuneError: with the place of the name.
    """
    for name in folders.intersection(configuration.metrics):
        raise FeynTuneError(f"config: $.metrics.{name}: results/{name}/ holds other results; give it another name")
    for name in configuration.snapshots:
        if name.endswith(".controls") and name.removesuffix(".controls") in configuration.snapshots:
            raise FeynTuneError(f"config: $.snapshots.{name}: another snapshot has a file of this name; rename it")
    if "all.parquet" in configuration.evaluation_sets:
        raise FeynTuneError("config: $.evaluation_sets.all.parquet: the results of all runs have this name; rename it")
    for name in configuration.models:
        found = DEQUANTISED.fullmatch(name)
        if found and found[1] in configuration.models:
            raise FeynTuneError(
                f"config: $.models.{name}: the dequantised weights of {found[1]!r} have this name; rename it"
            )


def result_folders(project: Path) -> frozenset[str]:
    """The folders directly under ``results/`` that rules and programs use, such as ``adapters`` and ``datasets``.

    They are read from the code, because a list of them would not be kept up to date. Rules with names that the user
    chooses (``results/{metric}/``) do not count; those with the name of a registry (``results/{registry}/``) do.

    Args:
        project: folder of the project.
    """
    name = "[A-Za-z0-9][A-Za-z0-9._-]*"
    rules = "".join(path.read_text(encoding="utf-8") for path in sorted((project / "workflow").glob("rules/*.smk")))
    programs = "".join(path.read_text(encoding="utf-8") for path in sorted((project / "scripts").rglob("*.py")))
    registries = {key for key, field in Configuration.model_fields.items() if is_registry(field.annotation)}
    found = {*re.findall(rf"\bresults/({name})", rules), *re.findall(rf"[\"']results/({name})", programs)}
    return frozenset(found | registries)
