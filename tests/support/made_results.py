"""Results of five small runs, made up on the spot: what the programs for tables, figures and the report read."""

import math

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from feyntune.core.files import write_json
from feyntune.evaluation.metrics import ReportedMetric, file_columns
from feyntune.report.pool import COLUMNS, pool_statistics, pool_tables
from feyntune.report.results import PooledFiles, Results, read_results
from support.metrics import METRICS, SEMSCORE

RUNS = [
    {"set": "unseen", "run": run, "model": model, "dataset": dataset, "layers": layers}
    for run, model, dataset, layers in [
        ("tiny_base", "tiny", None, "base"),
        ("tiny_hep-th_all", "tiny", "hep-th", "all"),
        ("tiny_hep-th_qkv", "tiny", "hep-th", "qkv"),
        ("published", "tiny", None, None),
        ("elsewhere", None, None, None),
    ]
]
WITH_MODEL = RUNS[:4]
TRAINED = RUNS[1:3]
PROMPT = "We study $N=4$ theories; they are finite."
TRUTH = "Their beta function vanishes."


def make_results(folder, count=30, prompt=PROMPT, prediction="It does not.", metrics=(), runs=RUNS, text_sets=()):
    """Write each run's results on ``count`` abstracts under ``folder``, and the pooled tables, as the workflow does.

    ``metrics`` are names in ``METRICS`` besides semscore; ``runs`` are labels of runs on one set. ``text_sets`` are
    names of further sets, on which runs with a model have perplexities only.
    """
    rng = np.random.default_rng(0)
    hardness = rng.lognormal(2, 0.3, count)
    with_model = [run for run in runs if run["model"]]
    for place, run in enumerate(runs):
        _write(folder, "completions", run, _completions(count, prompt, prediction, imported=not run["model"]))
        _write(folder, "semscore", run, _scores(count, rng, 0.4 + 0.1 * place))
        if run in with_model:
            _write(folder, "perplexity", run, _perplexities(count, hardness * 0.9**place))
            write_json(
                folder / f"similarity/{run['set']}/{run['run']}.json", {"mean": 0.5, "off_diagonal_mean": 0.4 + place}
            )
    on_texts = [{**run, "set": name} for name in text_sets for run in with_model]
    for place, run in enumerate(on_texts):
        _write(folder, "perplexity", run, _perplexities(count, hardness * 1.05**place))
    for name in metrics:
        for place, run in enumerate(runs):
            _write(folder, name, run, _values(METRICS[name], count, place))
    for kind in ("completions", "perplexity", "semscore", *metrics):
        judged = [*with_model, *on_texts] if kind == "perplexity" else runs
        columns = file_columns(METRICS[kind]) if kind in METRICS else COLUMNS[kind]
        inputs = [folder / f"{kind}/{run['set']}/{run['run']}.parquet" for run in judged]
        pool_tables(columns, inputs, judged, pooled(folder, kind))
    statistics = [folder / f"similarity/{run['set']}/{run['run']}.json" for run in with_model]
    pool_statistics(statistics, with_model, pooled(folder, "similarity"))


def pooled(folder, kind):
    """Path of a pooled table."""
    return folder / kind / "all.parquet"


def read_made(folder, *metrics) -> Results:
    """Read the pooled results of ``make_results``; ``metrics`` as there."""
    chosen = [SEMSCORE, *(METRICS[name] for name in metrics)]
    return read_results(pooled_files(folder, chosen), chosen)


def pooled_files(folder, metrics) -> PooledFiles:
    """The pooled tables under ``folder``."""
    of_metrics = {metric.name: pooled(folder, metric.name) for metric in metrics}
    return PooledFiles(pooled(folder, "completions"), pooled(folder, "perplexity"), of_metrics)


def make_adapters(folder, runs=TRAINED):
    """Write the history and the record of each trained run under ``folder``."""
    control_prompts = [{"id": "1804.08625", "prompt": "We show", "completion": "nothing"}]
    for place, run in enumerate(runs):
        steps = [
            {"step": step, "epoch": step / 4, "loss": 3.0 - step / 10 if step else None, "test_loss": 3.1 - step / 10}
            | {"train_loss": 3.0 - step / 10, "control_prompts": control_prompts if step in (0, 8) else None}
            for step in range(9)
        ]
        path = folder / f"adapters/{run['run']}"
        path.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.Table.from_pylist(steps), path / "history.parquet")
        write_json(path / "run.json", {"settings": {"run": run["run"], "lora": {"r": 8}, "seed": place}, "python": "3"})


def make_matrices(folder, count=30, runs=WITH_MODEL):
    """Write a matrix of cosines for each run with a model: two groups of abstracts, in alternation."""
    import torch

    groups = torch.arange(count) % 2
    matrix = torch.where(groups[:, None] == groups[None, :], 0.9, 0.1) + 0.1 * torch.eye(count)
    for run in runs:
        path = folder / f"similarity/{run['set']}/{run['run']}.pt"
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.save({"ids": _ids(count), "matrix": matrix}, path)


def make_benchmarks(folder):
    """Write benchmark files as Snakemake does."""
    for stage, seconds in (("train", 90), ("perplexity", 8)):
        path = folder / f"costs/{stage}/unseen/one.tsv"
        path.parent.mkdir(parents=True)
        path.write_text(f"s\th:m:s\tmax_rss\n{seconds}.0000\t0:00:00\t100.0\n")


def _ids(count):
    return [f"2101.{number:05d}" for number in range(count)]


def _write(folder, kind, run, columns):
    path = folder / f"{kind}/{run['set']}/{run['run']}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path)


def _completions(count, prompt, prediction, imported):
    """Numbers of tokens and reasons to stop are not known of imported completions."""
    unknown = {"prompt_tokens": pa.nulls(count, pa.int64()), "new_tokens": pa.nulls(count, pa.int64())}
    unknown["stopped"] = pa.nulls(count, pa.string())
    return {
        "id": _ids(count),
        "prompt": [prompt] * count,
        "y_true": [TRUTH] * count,
        "prediction": [prediction] * count,
        "completion": [f"{prompt} {prediction}"] * count,
        "prompt_tokens": [9] * count,
        "new_tokens": list(range(1, count + 1)),
        "stopped": ["length" if number % 5 == 0 else "eos" for number in range(count)],
        **(unknown if imported else {}),
    }


def _perplexities(count, perplexities):
    tokens = np.random.default_rng(1).integers(20, 60, count)  # all runs have the same tokenizer
    nats = tokens * np.log(perplexities)
    bits = nats / math.log(2) / (4 * tokens)
    return {"id": _ids(count), "tokens": tokens, "nll": nats, "perplexity": perplexities, "bits_per_byte": bits}


def _scores(count, rng, mean):
    continuation = [None, *rng.normal(mean, 0.05, count - 1)]
    return {
        "id": _ids(count),
        "score": rng.normal(mean + 0.2, 0.05, count),
        "score_continuation": pa.array(continuation, pa.float64()),
        "truncated": [False] * count,
    }


def _values(metric: ReportedMetric, count, place):
    """Values of every column of a metric, within its bounds; the later a run, the better."""
    rng = np.random.default_rng(place)
    better = {"higher": 1, "lower": -1}
    columns = {
        column.name: np.clip(rng.normal(0.4 + 0.05 * place * better[column.direction], 0.1, count), 0, 1)
        for column in metric.columns
    }
    return {"id": _ids(count), **columns, **({"truncated": [False] * count} if metric.truncates else {})}
