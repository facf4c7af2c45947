"""Settings of imported results; apart from those of completions, which do not depend on the metrics."""

from feyntune.core.schema import Count, Section
from feyntune.evaluation.metrics import ReportedMetric


class ImportStage(Section):
    """Settings of `import_completions.py` and `import_values.py`."""

    limit: Count | None
    """As in the evaluation set."""
    split: str = "test"
    """As in the evaluation set."""
    model: str | None = None
    """The model of a reference table whose columns are read; null: the table is of one run."""
    metric: ReportedMetric | None = None
    """The metric whose values are imported; null for completions and perplexities."""
