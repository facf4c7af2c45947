"""All figures, from what the runs left behind."""

from feyntune.files import read_table
from feyntune.report.figures import cosines, learning, scores, time
from feyntune.report.figures.style import SETTINGS, save


def draw_figures(results, tables, histories, matrices, benchmarks, stage, folder):
    """Draw and write every figure of ``outputs.FIGURES``.

    Args:
        results: ``measures.Results``.
        tables: folder with the tables of the same results.
        histories: ``.../{run}/history.parquet`` of trained runs.
        matrices: ``.../{set}/{run}.pt``, matrices of cosines.
        benchmarks: ``.../{stage}/{job}.tsv`` as Snakemake writes them.
        stage: ``settings.report.FiguresStage``.
        folder: folder to write into.
    """
    import matplotlib
    import pandas

    comparisons, means = (pandas.read_csv(tables / f"{name}.csv") for name in ("comparisons", "distributions"))
    curves = {path.parent.name: read_table(path).to_pandas() for path in histories}
    sampled = cosines.sample_matrices({(p.parent.name, p.stem): p for p in matrices}, stage.heatmap_rows, stage.seed)
    with matplotlib.rc_context(SETTINGS):
        figures = {
            "intervals": scores.intervals_figure(results, means),
            "differences": scores.differences_figure(results, comparisons),
            "distributions": scores.distributions_figure(results),
            "learning_curves": learning.learning_figure(results.runs, curves),
            "cosine_histograms": cosines.histograms_figure(results.runs, sampled),
            "cosine_heatmaps": cosines.heatmaps_figure(sampled),
            "time": time.time_figure(time.read_benchmarks(benchmarks), stage.gpus),
        }
        for name, figure in figures.items():
            save(figure, folder, name)
