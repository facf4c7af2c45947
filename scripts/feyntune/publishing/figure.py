"""The learning curve of one run, for its card."""

from feyntune.report.figures.learning import learning_figure
from feyntune.report.figures.style import SETTINGS, save


def draw_learning_curve(stage, history, folder):
    """Write ``learning_curve.png`` into ``folder``.

    Args:
        stage: ``settings.hub.CardStage``.
        history: the run's history as a DataFrame.
        folder: folder to write into.
    """
    import matplotlib
    import pandas

    label = {"run": stage.run, "model": stage.model, "dataset": stage.dataset, "layers": stage.layers}
    with matplotlib.rc_context(SETTINGS):
        save(learning_figure(pandas.DataFrame([label]), {stage.run: history}), folder, "learning_curve", ("png",))
