"""Which function estimates the work of which rule's jobs."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from feyntune.planning import checkpoint_work, evaluation_work, file_work, training_work
from feyntune.planning.context import Context
from feyntune.planning.work import Work

ESTIMATES: Mapping[str, Callable[..., Work]] = {
    "read_snapshot": file_work.read_snapshot,
    "build_dataset": file_work.build_dataset,
    "import_dataset": file_work.build_dataset,
    "mix_dataset": file_work.mix_dataset,
    "hold_out": file_work.build_dataset,
    "join_splits": file_work.build_dataset,
    "demo_model": file_work.demo_model,
    "fetch_model": file_work.fetch_model,
    "fetch_adapter": file_work.fetch_adapter,
    "train": training_work.train,
    "train_full": training_work.train,
    "dequantize": file_work.dequantize,
    "merge": file_work.merge,
    "complete": evaluation_work.complete,
    "perplexity": evaluation_work.perplexity,
    "checkpoints": checkpoint_work.checkpoints,
    "similarity": evaluation_work.similarity,
    "prepare_metric": evaluation_work.prepare_metric,
    "prepare_cpu_metric": evaluation_work.cpu_metric,
    "metric": evaluation_work.metric,
    "cpu_metric": evaluation_work.cpu_metric,
    "collect": file_work.collect,
    "tables": file_work.tables,
    "figures": file_work.figures,
    "explore": file_work.explore,
    "report": file_work.report,
}
"""The function that estimates a rule's work, by the rule's name; its keyword arguments are the rule's wildcards."""
SHORT = frozenset(
    "check_compute check_metrics control_papers demo_metric_model evaluation_set import_completions"
    " import_values read_texts select_dates".split()
)
"""Rules that ask for resources but take seconds, or a minute: the default ``Work`` describes them."""


def estimate(context: Context, stage: str, wildcards: Mapping[str, str]) -> Work:
    """The work of a job: by the function in ``ESTIMATES``; the default ``Work`` for stages without one.

    Args:
        context: the configuration and the sizes of its data.
        stage: name of its rule.
        wildcards: its wildcards' values by name.
    """
    function = ESTIMATES.get(stage)
    return function(context, **wildcards) if function else Work()
