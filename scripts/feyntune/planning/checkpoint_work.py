"""The work of evaluating the adapters of all evaluation steps of a training on samples."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, cast

from feyntune.config import stages
from feyntune.core.schema import Source
from feyntune.planning.evaluation_work import complete, cpu_metric, metric, perplexity
from feyntune.planning.training_work import abstracts_seen, evaluated_steps
from feyntune.planning.work import Work

if TYPE_CHECKING:
    from feyntune.planning.context import Context


def checkpoints(context: Context, run: str) -> Work:
    """The work of a run's learning curves: every step, the base model included, on a sample of every set."""
    configuration = context.configuration
    training = stages.training_stage(configuration, context.runs[run]).training
    rows = context.sizes.dataset(cast("str", context.runs[run].dataset)).rows["train"]
    models = 1 + evaluated_steps(training, abstracts_seen(training, rows))
    sets = {n: each for n, each in configuration.evaluation_sets.items() if context.runs[run].is_judged_on(n)}
    parts = [_part(context, perplexity(context, name, run), name, models) for name in sets]
    parts += parts[:1]  # the validation split
    for name in (name for name, each in sets.items() if each.is_completed):
        parts.append(_part(context, complete(context, name, run, "transformers"), name, models))
        parts += [_part(context, _judging(context, each, name, run), name, models) for each in configuration.metrics]
    return _total(parts)


def _judging(context: Context, name: str, evaluation_set: str, run: str) -> Work:
    with_model = isinstance(context.configuration.metrics[name], Source)
    return (metric if with_model else cpu_metric)(context, name, evaluation_set, run)


def _part(context: Context, whole: Work, evaluation_set: str, models: int) -> Work:
    """The work of ``models`` models on a sample of a set, from that of one on all of it; files are read once."""
    rows = context.sizes.rows(evaluation_set)
    share = models * min(1.0, context.configuration.evaluation.checkpoint_abstracts / rows)
    scaled = {name: share * getattr(whole, name) for name in ("operations", "steps")}
    return dataclasses.replace(whole, tokens=share * (whole.tokens or 0), **scaled)


def _total(parts: list[Work]) -> Work:
    """One job that does the work of all parts one after another."""
    decoding = max(parts, key=lambda part: part.steps)
    return dataclasses.replace(
        decoding,
        tokens=sum(part.tokens or 0 for part in parts),
        operations=sum(part.operations for part in parts),
        steps=sum(part.steps for part in parts),
        loaded=max(part.loaded for part in parts),
        seconds=sum(part.seconds for part in parts),
        peak=max((part.peak for part in parts if part.peak is not None), default=None),
        disk=1e5,  # a table of means
        known=all(part.known for part in parts),
        engine="transformers",
    )
