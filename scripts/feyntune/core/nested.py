"""Nested dictionaries, such as settings and records, as flat ones."""


def flattened(record, prefix=""):
    """Nested dicts as one, with keys such as ``training.optimizer.name``."""
    flat = {}
    for key, value in record.items():
        name = f"{prefix}{key}"
        flat.update(flattened(value, f"{name}.") if isinstance(value, dict) and value else {name: value})
    return flat
