"""All figures, from what the runs left behind."""

from feyntune.files import read_table
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
    sampled = cosines.sample_matrices(
        {(p.parent.name, p.stem): p for p in options.matrices}, stage.heatmap_rows, stage.seed
    )
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
