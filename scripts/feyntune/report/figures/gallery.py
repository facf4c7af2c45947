"""All figures, from the files of all runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from feyntune.config.schema.report import FiguresStage
from feyntune.report.checkpoints import read_curves
from feyntune.report.figures import changes, checkpoints, cosines, learning, quantities, sweep, time
from feyntune.report.figures.style import SETTINGS, save
from feyntune.report.made_files import read_exact_table
from feyntune.report.outputs import CHECKPOINTS, SWEEP, figure_files, figure_names, remove_others
from feyntune.report.results import Results
from feyntune.report.seeds import grouped, read_group_table
from feyntune.report.sweep import varied_keys

if TYPE_CHECKING:
    import pandas
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class FigureSources:
    """The files that figures are made from, besides the pooled tables."""

    tables: Path
    """Folder of tables made of the same results."""
    history: Sequence[Path]
    """``{run}/history.parquet`` of trained runs."""
    matrices: Sequence[Path]
    """``{set}/{run}.pt``: matrices of cosines."""
    benchmarks: Sequence[Path]
    """``{costs}/{stage}/…/{job}.tsv``, of which some may be missing."""
    costs: Path
    """Folder of the benchmarks."""
    checkpoints: Sequence[Path] = ()
    """``{run}.parquet``: adapters at evaluation steps, if these are evaluated."""


def draw_figures(results: Results, sources: FigureSources, stage: FiguresStage, folder: Path) -> None:
    """Draw every figure of ``outputs.figure_files`` and write it into ``folder``."""
    import matplotlib

    means, changed = (read_exact_table(sources.tables, name) for name in ("distributions", "changes"))
    curves = {path.parent.name: learning.read_history(path) for path in sources.history}
    matrices = _in_order(sources.matrices, results.runs)
    sampled = cosines.sample_matrices(matrices, stage.heatmap_rows, stage.seed)
    with matplotlib.rc_context(SETTINGS):
        figures = {
            **_of_runs_or_groups(results, means, sources.tables, stage),
            "changes": changes.changes_figure(changed),
            "distributions": quantities.distributions_figure(results),
            "learning_curves": learning.learning_figure(results.runs, curves),
            "cosine_histograms": cosines.histograms_figure(results.runs, sampled),
            "cosine_heatmaps": cosines.heatmaps_figure(sampled),
            "time": time.time_figure(time.read_benchmarks(sources.benchmarks, sources.costs), stage.gpus),
        }
        if sources.checkpoints:
            curves_of_all = read_curves(sources.checkpoints)
            figures[CHECKPOINTS] = checkpoints.checkpoints_figure(results.runs, curves_of_all, results.quantities)
        for name, figure in figures.items():
            save(figure, folder, name)
    remove_others(folder, figure_files(folder, stage.groups, checkpoints=bool(sources.checkpoints)))


def _of_runs_or_groups(
    results: Results, means: pandas.DataFrame, tables: Path, stage: FiguresStage
) -> dict[str, Figure]:
    """The figures whose rows are runs, or groups of runs where there are some; and that of varied settings."""
    if not stage.groups:
        return {
            "intervals": quantities.intervals_figure(results, means),
            "differences": quantities.differences_figure(results, read_exact_table(tables, "comparisons")),
        }
    seeds, pairs = (read_group_table(tables, name) for name in ("seeds", "seed_comparisons"))
    of_groups = grouped(results, stage.groups)
    several = {run: group.name for group in stage.groups if len(group.runs) > 1 for run in group.runs}
    points = means[means["run"].isin(several)].assign(run=lambda table: table["run"].map(several))
    figures = {
        "intervals": quantities.intervals_figure(of_groups, seeds, points),
        "differences": quantities.differences_figure(of_groups, pairs),
    }
    if SWEEP in figure_names(stage.groups):
        figures[SWEEP] = sweep.sweep_figure(
            read_exact_table(tables, SWEEP), results.headlines(), varied_keys(stage.groups)
        )
    return figures


def _in_order(matrices: Sequence[Path], runs: pandas.DataFrame) -> dict[tuple[str, str], Path]:
    """Paths of matrices by (set, run), in the order of ``runs``."""
    paths = {(path.parent.name, path.stem): path for path in matrices}
    return {key: paths[key] for key in zip(runs["set"], runs["run"], strict=True) if key in paths}
