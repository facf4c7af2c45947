"""A sample of abstracts: what their authors wrote, and what each run made of the same beginning."""

from feyntune.core.files import read_table
from feyntune.report.typeset import number


def sampled_abstracts(path, results, count, seed):
    """At most ``count`` abstracts of each evaluation set, with the continuations by every run that has them.

    Args:
        path: pooled completions.
        results: ``measures.Results`` of the same runs.
        count: how many of each set.
        seed: seed of the sample, which is drawn among the abstracts that most runs have completed.

    Returns:
        Dicts with ``set, id, prompt, truth`` and ``runs``: dicts with ``run, prediction, stopped`` and ``numbers``, the
        measures of this abstract as pairs of title and text.
    """
    sampled = []
    for name, values in results.values.items():
        ids = _sample(values, count, seed)
        columns = ["set", "run", "id", "prompt", "y_true", "prediction", "stopped"]
        filters = [("set", "==", name), ("id", "in", ids)]
        rows = read_table(path, columns=columns, filters=filters).to_pandas() if ids else []
        sampled += [_abstract(rows[rows["id"] == one], results, values.loc[one]) for one in ids]
    return sampled


def _sample(values, count, seed):
    import numpy

    completed = values["new_tokens"].notna().sum(axis=1)
    common = list(completed.index[completed == completed.max()])
    chosen = numpy.random.default_rng(seed).choice(len(common), min(count, len(common)), replace=False)
    return [common[place] for place in sorted(chosen)]


def _abstract(rows, results, values):
    first = rows.iloc[0]
    return {
        "set": first["set"],
        "id": first["id"],
        "prompt": first["prompt"],
        "truth": first["y_true"],
        "runs": [
            {
                "run": row.run,
                "prediction": row.prediction,
                "stopped": row.stopped,
                "numbers": _numbers(results, values, row),
            }
            for row in rows.itertuples()
        ],
    }


def _numbers(results, values, row):
    """The measures in which an abstract's completion, not the abstract, is judged: scores of continuations."""
    names = {m.name: m.title for m in results.measures if m.name.endswith("_continuation")}
    return [(title, number(values[name, row.run], 2)) for name, title in names.items() if (name, row.run) in values]
