"""All figures, from what the runs left behind."""

from feyntune.core.files import read_table
from feyntune.report.figures import cosines, learning, scores, time
from feyntune.report.figures.style import SETTINGS, save


def draw_figures(results, options, stage):
    """Draw and write every figure of ``outputs.FIGURES``.

    Args:
        results: ``measures.Results``.
        options: the options of `figures.py`: paths of everything else.
        stage: ``settings.report.FiguresStage``.
    """
    import matplotlib
    import pandas

    comparisons, means = (pandas.read_csv(options.tables / f"{name}.csv") for name in ("comparisons", "distributions"))
    curves = {path.parent.name: read_table(path).to_pandas() for path in options.history}
    matrices = _in_order(options.matrices, results.runs)
    sampled = cosines.sample_matrices(matrices, stage.heatmap_rows, stage.seed)
    with matplotlib.rc_context(SETTINGS):
        figures = {
            "intervals": scores.intervals_figure(results, means),
            "differences": scores.differences_figure(results, comparisons),
            "distributions": scores.distributions_figure(results),
            "learning_curves": learning.learning_figure(results.runs, curves),
            "cosine_histograms": cosines.histograms_figure(results.runs, sampled),
            "cosine_heatmaps": cosines.heatmaps_figure(sampled),
            "time": time.time_figure(time.read_benchmarks(options.benchmarks, options.costs), stage.gpus),
        }
        for name, figure in figures.items():
            save(figure, options.output_folder, name)


def _in_order(matrices, runs):
    """Paths of matrices by (set, run), in the order of ``runs``."""
    paths = {(path.parent.name, path.stem): path for path in matrices}
    return {key: paths[key] for key in zip(runs["set"], runs["run"], strict=True) if key in paths}
