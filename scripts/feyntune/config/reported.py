"""The settings of the stages that report: tables, figures and pages."""

from __future__ import annotations

from collections.abc import Mapping

from feyntune.config.groups import seed_groups
from feyntune.config.load import Configuration
from feyntune.config.runs import Run
from feyntune.config.schema.report import ExploreStage, FiguresStage, PageStage, TablesStage
from feyntune.config.stages import evaluated_model, gpus
from feyntune.evaluation.metrics import ReportedMetric, reported_all


def reported_metrics(configuration: Configuration) -> list[ReportedMetric]:
    """The metrics as tables, figures, the report and model cards show them, in the configuration's order."""
    return reported_all(configuration.metrics)


def unlike_base(configuration: Configuration, runs: Mapping[str, Run]) -> list[str]:
    """Names of runs that are evaluated with another quantisation or precision than the base run of their model.

    Args:
        configuration: the configuration.
        runs: from ``resolve_runs``.
    """
    bases = {run.model: run for run in runs.values() if run.kind == "base"}
    evaluated = {run.name: evaluated_model(configuration, run) for run in runs.values() if run.kind != "imported"}
    return [name for name, own in evaluated.items() if own != evaluated[bases.get(runs[name].model, runs[name]).name]]


def tables_stage(configuration: Configuration, runs: Mapping[str, Run]) -> TablesStage:
    """Settings that determine the tables."""
    report = configuration.report
    return TablesStage(
        seed=configuration.seed,
        uncertainty=report.uncertainty,
        compared_layers=report.compared_layers,
        membership=report.membership,
        unlike_base=unlike_base(configuration, runs),
        groups=seed_groups(configuration, runs),
        metrics=reported_metrics(configuration),
    )


def gpus_of_jobs(configuration: Configuration, runs: Mapping[str, Run]) -> dict[str, int]:
    """GPUs per job: by stage, and by ``train/RUN`` for runs that are trained on another number.

    Args:
        runs: from ``resolve_runs``.
    """
    asked = configuration.resources
    of_stages = {"train": asked.train.gpu, "complete": asked.complete.gpu, "perplexity": asked.perplexity.gpu}
    of_stages |= dict.fromkeys(("prepare_metric", "metric"), asked.metrics.gpu)
    of_runs = {run.training_job: gpus(configuration, run) for run in runs.values() if run.kind == "trained"}
    if any(run.is_full for run in runs.values()):
        of_stages["train_full"] = asked.train.gpu
    others = {job: number for job, number in of_runs.items() if number != asked.train.gpu}
    return {stage: number for stage, number in of_stages.items() if number} | others


def figures_stage(configuration: Configuration, runs: Mapping[str, Run]) -> FiguresStage:
    """Settings that determine the figures."""
    return FiguresStage(
        seed=configuration.seed,
        heatmap_rows=configuration.report.heatmap_rows,
        gpus=gpus_of_jobs(configuration, runs),
        groups=seed_groups(configuration, runs),
        metrics=reported_metrics(configuration),
    )


def explore_stage(configuration: Configuration) -> ExploreStage:
    """Settings that determine the page of all completions."""
    return ExploreStage(metrics=reported_metrics(configuration))


def page_stage(configuration: Configuration, runs: Mapping[str, Run]) -> PageStage:
    """Settings that determine the report."""
    return PageStage(
        seed=configuration.seed,
        abstracts=configuration.report.abstracts,
        unlike_base=unlike_base(configuration, runs),
        gpus=gpus_of_jobs(configuration, runs),
        groups=seed_groups(configuration, runs),
        metrics=reported_metrics(configuration),
    )
