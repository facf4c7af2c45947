"""The work of jobs that mostly read and write files: of datasets, models, tables and pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from feyntune.config import stages
from feyntune.config.reported import reported_metrics
from feyntune.planning import memory
from feyntune.planning.memory import forward_operations, lora_parameters, stored_bytes
from feyntune.planning.work import Work

if TYPE_CHECKING:
    from feyntune.config.schema.planning import ModelShape
    from feyntune.planning.context import Context


def read_snapshot(context: Context, snapshot: str) -> Work:
    """The work of reading a snapshot."""
    papers = context.sizes.papers(snapshot)
    return Work(seconds=3 + papers / 30_000, disk=papers * 900)


def build_dataset(context: Context, dataset: str) -> Work:
    """The work of selecting, importing or joining a dataset."""
    return Work(seconds=5 + _rows(context, dataset) / 30_000, disk=_rows(context, dataset) * 1_500)


def mix_dataset(context: Context, dataset: str) -> Work:
    """The work of drawing a mixture."""
    return Work(seconds=5 + _rows(context, dataset) / 1_500, disk=_rows(context, dataset) * 1_500)


def _rows(context: Context, dataset: str) -> int:
    return sum(context.sizes.dataset(dataset).rows.values())


def demo_model(context: Context) -> Work:
    """The work of training the demo's model."""
    demo = context.configuration.demo.model
    shape = context.shapes["models", next(iter(context.configuration.models))]
    each = 100 if not shape else 3 * forward_operations(shape, 100) * 100
    return Work(operations=demo.steps * demo.batch_size * each, phase="training", disk=4e6)


def dequantize(context: Context, model: str, storage: str) -> Work:
    """The work of writing a model's dequantized weights."""
    return _model_folder(context.shapes["models", model], storage)


def merge(context: Context, run: str) -> Work:
    """The work of merging a run's adapter into its base model."""
    stage = stages.completion_stage(
        context.configuration, context.runs[run], next(iter(context.configuration.evaluation_sets))
    )
    return _model_folder(context.shape(run), stage.precision.dtype)


def _model_folder(shape: ModelShape | None, storage: str) -> Work:
    """A model that is loaded and written with 2 or 4 bytes per weight; ``storage`` ends with the number format."""
    if not shape:
        return Work(known=False)
    written = stored_bytes(shape) * memory.DTYPE_BYTES[storage.split("-")[-1]] / 2
    return Work(
        seconds=10 + written / 200e6,
        loaded=stored_bytes(shape),
        peak=memory.CONTEXT + memory.MARGIN * written,
        disk=written,
    )


def fetch_model(context: Context, registry: str, name: str) -> Work:
    """The work of downloading a model, at 50 MB/s."""
    shape = context.shapes[registry, name]
    size = stored_bytes(shape) if shape else 0
    return Work(seconds=5 + size / 50e6, disk=size, known=bool(shape))


def fetch_adapter(context: Context, run: str) -> Work:
    """The work of downloading a published adapter."""
    shape = context.shape(run)
    layers = context.runs[run].layers
    modules = [] if layers is None else context.configuration.layer_sets.get(layers, [])
    return Work(disk=4 * lora_parameters(shape, modules, context.configuration.lora.r) if shape else 0)


def _results(context: Context) -> int:
    """Abstracts of all evaluation sets, each as often as runs are evaluated on it."""
    judged = [(run, name) for name in context.configuration.evaluation_sets for run in context.runs.values()]
    return sum(context.sizes.rows(name) for run, name in judged if run.is_judged_on(name))


def collect(context: Context, kind: str) -> Work:
    """The work of collecting the results of one kind."""
    rows = _results(context)
    return Work(seconds=3 + rows / 200_000, disk=rows * (1_500 if kind == "completions" else 40))


def tables(context: Context) -> Work:
    """The work of tables and their intervals."""
    columns = 4 + sum(len(metric.columns) for metric in reported_metrics(context.configuration))
    rows = _results(context) * columns
    return Work(seconds=5 + context.configuration.report.uncertainty.resamples * rows / 4e8)


def figures(context: Context) -> Work:
    """The work of figures."""
    return Work(seconds=15 + 2 * len(context.runs), disk=5e6)


def explore(context: Context) -> Work:
    """The work of the page of all completions."""
    completions = _results(context)
    return Work(seconds=5 + completions / 2_000, disk=completions * 1_000)


def report(context: Context) -> Work:
    """The work of the report."""
    return Work(seconds=10, disk=8e6)
