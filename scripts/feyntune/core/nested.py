"""Nested dictionaries, such as settings and records, as flat ones."""

from typing import Any


def flattened(record: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested dicts as one, with keys such as ``training.optimizer.name``."""
    flat: dict[str, Any] = {}
    for key, value in record.items():
        name = f"{prefix}{key}"
        flat.update(flattened(value, f"{name}.") if isinstance(value, dict) and value else {name: value})
    return flat
