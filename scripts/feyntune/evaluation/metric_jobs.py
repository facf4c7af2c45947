"""The two jobs of a metric: prepare what all runs share for an evaluation set, and judge one run's completions.

A fault of the metric itself (a model that cannot be loaded, values out of range) does not end the job: it writes a
result without values that carries the reason, so that the tables of the other metrics are made. The rule
``check_metrics`` then reports the reason, deletes these results, and fails.
"""

import hashlib
import json
import traceback
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from feyntune.config.schema.metrics import MetricStage, PreparationStage
from feyntune.core.bounds import first_outside, range_text
from feyntune.core.cli import has_log, say
from feyntune.core.errors import FeynTuneError
from feyntune.core.files import MADE_AGAIN, read_table, unreadable, write_table, written_whole
from feyntune.core.ids import check_unique, match_ids
from feyntune.core.provenance import INAPPLICABLE, MISSING, provenance
from feyntune.data.prompts import split_abstract
from feyntune.evaluation.abstracts import read_abstracts
from feyntune.evaluation.metrics import metric_class
from feyntune.evaluation.metrics.base import Abstracts, Completions, Metric, MetricSettings, Values
from feyntune.models.memory import is_out_of_memory

if TYPE_CHECKING:
    import numpy
    import pyarrow

DIGESTS = "sha256"
"""Key of the digests in the metadata of a reference."""
NO_TRAINING = "it needs the training split of the run, and none is declared for this run"


@dataclass(frozen=True)
class PreparationJob:
    """What `prepare_metric.py` does."""

    dataset: Path
    """Parquet file with the abstracts."""
    model: Path | None
    """Folder of the metric's model, if it has one."""
    stage: PreparationStage
    output: Path
    """Safetensors file to write."""


@dataclass(frozen=True)
class MetricJob:
    """What `metric.py` does."""

    completions: Path
    """Parquet file of one run's completions."""
    reference: Path | None
    """File of `prepare_metric.py`, for metrics that prepare."""
    model: Path | None
    """Folder of the metric's model, if it has one."""
    stage: MetricStage
    output: Path
    """Parquet file to write."""
    training: Path | None = None
    """Parquet file of the run's training split, for metrics that need it and runs that have one."""


class MetricFault(Exception):
    """The metric cannot be computed, for the reason that is its text."""


def run_preparation(job: PreparationJob) -> None:
    """Prepare a metric for an evaluation set; see ``write_reference`` for the file.

    Raises:
        FeynTuneError: the abstracts cannot be read.
    """
    ids, texts = read_abstracts(job.dataset, "abstract", job.stage.limit)
    halves = [split_abstract(text) for text in texts]
    abstracts = Abstracts(ids, texts, [prompt for prompt, _ in halves], [rest for _, rest in halves])
    metric = make_metric(job.stage.metric, job.model)
    record = {**provenance(), "settings": job.stage.model_dump(mode="json")}
    try:
        arrays = prepared(metric, abstracts)
    except MetricFault as fault:
        arrays, record = {}, record | {MISSING: str(fault)}
    truncated = int(arrays["truncated"].sum()) if "truncated" in arrays else 0
    if truncated:
        say(f"{truncated:,} of {len(ids):,} abstracts are longer than the metric's limit and are truncated")
    write_reference(job.output, ids, arrays, record | metric.provenance())


def run_metric(job: MetricJob) -> None:
    """Judge one run's completions; see ``metric_table`` for the table.

    Raises:
        FeynTuneError: an input cannot be read, or completions and reference are not of the same abstracts.
    """
    completions = read_completions(job.completions)
    metric = make_metric(job.stage.metric, job.model, job.training)
    record = {**provenance(), "settings": job.stage.model_dump(mode="json")}
    values: Values = {}
    if metric.needs_training and job.training is None:
        say(f"the metric has no values: {NO_TRAINING}")
        record |= {INAPPLICABLE: NO_TRAINING}
    else:
        try:
            values = scored(metric, completions, _reference(job, completions.ids))
        except MetricFault as fault:
            record |= {MISSING: str(fault)}
    empty = sum(not prediction.strip() for prediction in completions.predictions)
    if empty:
        say(f"{empty:,} of {len(completions.ids):,} completions are empty: scored as they are")
    record |= {**metric.provenance(), "empty": empty}
    write_table(job.output, metric_table(metric, completions.ids, values), record)


def make_metric(settings: MetricSettings, model: Path | None, training: Path | None = None) -> Metric:
    """The metric of an entry of the configuration; see ``Metric`` for the arguments."""
    return metric_class(settings.kind)(settings, model, training)


def prepared(metric: Metric, abstracts: Abstracts) -> "dict[str, numpy.ndarray]":
    """What a metric prepares for abstracts. Raises MetricFault if it cannot."""
    try:
        return metric.prepare(abstracts)
    except Exception as error:
        raise _fault(metric, error) from error


def scored(metric: Metric, completions: Completions, reference: "Mapping[str, numpy.ndarray]") -> Values:
    """A metric's values of completions, within the bounds of its columns. Raises MetricFault if there are none."""
    try:
        values = metric.score(completions, reference)
        check_bounds(metric, values)
        return values
    except Exception as error:
        raise _fault(metric, error) from error


def check_bounds(metric: Metric, values: Values) -> None:
    """Raise FeynTuneError if a value is not finite, or outside the bounds of its column by more than rounding."""
    for column in metric.columns:
        wrong = first_outside(cast("Iterable[float | None]", values[column.name]), column.lowest, column.highest)
        if wrong is not None:
            value, limits = values[column.name][wrong], range_text(column.lowest, column.highest)
            raise FeynTuneError(f"{column.name}: {value} is not in {limits}; check the metric's model")


def _fault(metric: Metric, error: Exception) -> MetricFault | FeynTuneError:
    """The reason in one line; the whole traceback goes to the log.

    Out of memory is no fault of the metric: the job fails, and another try requests more.
    """
    if has_log() or not isinstance(error, FeynTuneError):
        traceback.print_exception(error)
    if is_out_of_memory(error):
        size = getattr(metric.settings, "batch_size", None)
        lower = f"lower the metric's batch_size (now {size}) or max_length, or on a CPU " if size else ""
        return FeynTuneError(f"out of memory while computing the metric; {lower}raise resources.metrics.mem_mb")
    reason = " ".join(str(error).split()) or type(error).__name__
    if not isinstance(error, FeynTuneError):
        reason = f"{type(error).__name__}: {reason}"
    say(f"the metric cannot be computed and is left out of the tables: {reason[:300]}")
    return MetricFault(reason[:300])


def _reference(job: MetricJob, ids: Sequence[str]) -> "dict[str, numpy.ndarray]":
    """The arrays of the preparation, rows in the order of ``ids``."""
    import numpy

    if job.reference is None:
        return {}
    known, arrays, record = read_reference(job.reference)
    if MISSING in record:
        raise MetricFault(record[MISSING])
    rows = numpy.argsort(match_ids(known, ids, job.completions))
    return {name: values[rows] for name, values in arrays.items()}


def read_completions(path: Path) -> Completions:
    """One run's completions."""
    names = ["id", "prompt", "y_true", "prediction", "completion"]
    table = read_table(path, names, texts=names)
    check_unique(table["id"].to_pylist(), path)
    for name in names:
        if table[name].null_count:
            raise FeynTuneError(f"{path}: {table[name].null_count:,} rows have no {name!r}; {MADE_AGAIN}")
    return Completions(*(table[name].to_pylist() for name in names))


def metric_table(metric: Metric, ids: Sequence[str], values: Values) -> "pyarrow.Table":
    """The table of a metric's values: ``id``, its columns, ``truncated`` where texts may be cut, and its details.

    Args:
        metric: the metric.
        ids: names of the abstracts.
        values: by column; without any, all values are null.
    """
    import pyarrow

    names = [column.name for column in metric.columns]
    columns = {name: _column(values.get(name), len(ids), pyarrow.float64()) for name in names}
    if metric.truncates:
        columns["truncated"] = _column(values.get("truncated"), len(ids), pyarrow.bool_())
    columns |= {name: _column(values.get(name), len(ids), pyarrow.string()) for name in metric.details}
    return pyarrow.table({"id": pyarrow.array(ids, pyarrow.string()), **columns})


def _column(values: object, length: int, kind: "pyarrow.DataType") -> "pyarrow.Array":
    import pyarrow

    return pyarrow.nulls(length, kind) if values is None else pyarrow.array(values, kind)


def write_reference(path: Path, ids: list[str], arrays: "Mapping[str, numpy.ndarray]", record: dict) -> None:
    """Write what a metric prepared, as safetensors with ids and ``record`` (JSON-able) in the metadata."""
    from safetensors.numpy import save

    # One entry: the order of several is not the same in every process.
    record = {"ids": ids, DIGESTS: _digests(arrays), **record}
    metadata = {"feyntune": json.dumps(record, sort_keys=True)}
    with written_whole(path) as aside:
        aside.write_bytes(save(dict(arrays), metadata))


def read_reference(path: Path) -> "tuple[list[str], dict[str, numpy.ndarray], dict]":
    """Read ``write_reference``'s ids, arrays and record.

    Raises:
        FeynTuneError: no such file, not one of ``prepare_metric.py``, or damaged.
    """
    from safetensors import SafetensorError, safe_open

    damaged = (SafetensorError, KeyError, TypeError, ValueError, AttributeError)
    with unreadable(path, "not a file of prepare_metric.py", *damaged), safe_open(path, "numpy") as file:
        record = json.loads(file.metadata()["feyntune"])
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        if record.pop(DIGESTS) != _digests(arrays):
            raise FeynTuneError(f"{path}: damaged: other numbers than were written; {MADE_AGAIN}")
        return record.pop("ids"), arrays, record


def _digests(arrays: "Mapping[str, numpy.ndarray]") -> dict[str, str]:
    """SHA-256 of the numbers of each array; safetensors has no checksums."""
    return {name: hashlib.sha256(values.tobytes()).hexdigest() for name, values in arrays.items()}
