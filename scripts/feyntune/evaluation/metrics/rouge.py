"""ROUGE: words and word sequences that a continuation shares with the true one (Lin, ACL 2004, W04-1013)."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from feyntune.evaluation.metrics.base import Column, Completions, Metric, MetricSettings, Values

if TYPE_CHECKING:
    import numpy

TYPES = {"rouge1": "words", "rouge2": "pairs of consecutive words", "rougeL": "words of the longest common subsequence"}


class RougeSettings(MetricSettings):
    """ROUGE-1, ROUGE-2 and ROUGE-L of the continuation, by the package `rouge-score`."""

    stemmer: bool = False
    """Compare stems of words (Porter) instead of words."""


class Rouge(Metric):
    """F1 of ROUGE-1, ROUGE-2 and ROUGE-L of the continuation against the true one, without the prompt.

    The package ``rouge-score`` lowers letters and drops all signs but letters and digits before it splits into words.
    """

    settings_schema = RougeSettings
    default_title = "ROUGE"
    columns = tuple(
        Column(
            name=name,
            title=f"{{metric}}-{name.removeprefix('rouge')}",
            key=f"{{metric}}{name.removeprefix('rouge')}",
            direction="higher",
            headline=name == "rougeL",
            description=f"F1 of the {shared} that the continuation shares with the true one; 1 for equal texts.",
            lowest=0,
            highest=1,
        )
        for name, shared in TYPES.items()
    )

    def score(self, completions: Completions, reference: "Mapping[str, numpy.ndarray]") -> Values:
        """F1 by type of ROUGE; 0 for an empty continuation."""
        from rouge_score.rouge_scorer import RougeScorer

        metric = RougeScorer(list(TYPES), use_stemmer=self.settings.stemmer)
        pairs = zip(completions.y_true, completions.predictions, strict=True)
        scores = [metric.score(true, prediction) for true, prediction in pairs]
        return {name: [score[name].fmeasure for score in scores] for name in TYPES}
