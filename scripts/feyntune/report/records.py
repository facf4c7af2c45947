"""What runs have in common and in what they differ, from the records that trainings leave."""


def flattened(record, prefix=""):
    """Nested dicts as one, with keys such as ``training.optimizer.name``."""
    flat = {}
    for key, value in record.items():
        name = f"{prefix}{key}"
        flat.update(flattened(value, f"{name}.") if isinstance(value, dict) and value else {name: value})
    return flat


def common_and_differing(records):
    """Split records into what all share and what tells them apart.

    Args:
        records: flat dicts by run.

    Returns:
        A dict of the keys with the same value in every record, and by key of the others a dict of values by run; not of
        a key that is just the run's own name.
    """
    names = dict.fromkeys(name for record in records.values() for name in record)
    common, differing = {}, {}
    for name in names:
        values = {run: record.get(name) for run, record in records.items()}
        first = next(iter(values.values()))
        if all(value == first for value in values.values()):
            common[name] = first
        elif any(value != run for run, value in values.items()):
            differing[name] = values
    return common, differing
