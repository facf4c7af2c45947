"""Configuration files, read strictly: what a YAML reader accepts in silence is refused in one line with its place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from feyntune.core.errors import FeynTuneError, shorten

LARGEST = 10_000_000
"""Bytes that a file may have."""
MOST_VALUES = 100_000
"""Values that a file may have when all of its aliases are written out."""


def read_yaml(path: str | Path) -> dict[str, Any]:
    """Read one configuration file (YAML, of which JSON is a part).

    Raises:
        FeynTuneError: the file is missing, too large, not UTF-8, not YAML or not a mapping; a key occurs twice; or
            aliases contain themselves or expand to too many values.
    """
    text = _read_text(Path(path))
    try:
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        if not isinstance(node, yaml.MappingNode):
            raise FeynTuneError(f"config: {path}: no keys at the top level; see config/README.md")
        _check_node(node, path)
        return loader.construct_document(node)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f"line {mark.line + 1}: " if mark else ""
        reason = (getattr(error, "problem", None) or str(error)).splitlines()[0]
        raise FeynTuneError(f"config: {path}: {line}not valid YAML ({reason}); indent with spaces only") from None
    except (ValueError, RecursionError) as error:  # such as the date 2024-99-99; brackets in brackets in brackets
        raise FeynTuneError(f"config: {path}: not valid YAML ({shorten(str(error))}); correct it") from None


def _read_text(path: Path) -> str:
    try:
        if path.stat().st_size > LARGEST:
            raise FeynTuneError(
                f"config: {path}: larger than {LARGEST // 10**6} MB; this is no configuration, name another file"
            )
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise FeynTuneError(f"config: {path}: no such file; check the path") from None
    except IsADirectoryError:
        raise FeynTuneError(f"config: {path}: is a folder; name a file") from None
    except PermissionError:
        raise FeynTuneError(f"config: {path}: not readable; check its permissions") from None
    except UnicodeDecodeError:
        raise FeynTuneError(f"config: {path}: not a text in UTF-8; save it in that encoding") from None


def _check_node(root: yaml.Node, path: str | Path) -> None:
    """Refuse duplicate keys, aliases that contain themselves, and aliases that expand to very many values."""
    sizes: dict[int, int] = {}
    open_nodes: set[int] = set()

    def size(node: yaml.Node) -> int:
        if id(node) in open_nodes:
            raise FeynTuneError(f"config: {path}: line {_line(node)}: an anchor contains itself; write its values out")
        if id(node) not in sizes:
            open_nodes.add(id(node))
            sizes[id(node)] = 1 + sum(size(child) for child in _children(node, path))
            open_nodes.remove(id(node))
        if sizes[id(node)] > MOST_VALUES:
            raise FeynTuneError(
                f"config: {path}: more than {MOST_VALUES:,} values once aliases are expanded; use fewer"
            )
        return sizes[id(node)]

    size(root)


def _children(node: yaml.Node, path: str | Path) -> list[yaml.Node]:
    if isinstance(node, yaml.SequenceNode):
        return node.value
    if not isinstance(node, yaml.MappingNode):
        return []
    seen = set()
    for key, _ in node.value:
        if isinstance(key, yaml.ScalarNode):
            if key.value in seen:
                raise FeynTuneError(
                    f"config: {path}: line {_line(key)}: key {shorten(key.value)} occurs twice; keep one of them"
                )
            seen.add(key.value)
    return [child for pair in node.value for child in pair]


def _line(node: yaml.Node) -> int:
    return node.start_mark.line + 1
