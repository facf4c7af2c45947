"""Completions: the interface of a generation engine, the engines, and the tables that they fill.

An engine is the module ``{name}_engine`` of this package with a function ``load_engine``. No module imports an engine
statically, so a program's code fingerprint holds the engine that it uses and no other.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from feyntune.evaluation.generation.completions import LoadEngine


def engine_loader(name: str) -> "LoadEngine":
    """The function ``load_engine`` of an engine, by the value of ``generation.engine``."""
    loader: LoadEngine = importlib.import_module(f"{__name__}.{name}_engine").load_engine
    return loader


def engine_file(name: str) -> str:
    """The file of an engine, relative to ``scripts/``, as ``core.fingerprint.code_fingerprint`` takes it."""
    return f"{__name__.replace('.', '/')}/{name}_engine.py"
