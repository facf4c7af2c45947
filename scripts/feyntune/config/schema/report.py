"""Settings of tables, figures, the report and rating sheets."""

from pydantic import Field

from feyntune.config.schema.base import Section
from feyntune.evaluation.metrics import ReportedMetric


class Uncertainty(Section):
    """Bootstrap intervals and paired permutation tests."""

    resamples: int = Field(9999, ge=99)
    """Resamples of each interval, and sign flips of each test; no p-value can be below 1 / (resamples + 1)."""
    confidence: float = Field(0.95, ge=0.5, lt=1)
    """Coverage of the intervals."""


class Report(Section):
    """Tables, figures and the report."""

    uncertainty: Uncertainty = Uncertainty()
    """How intervals and p-values are computed."""
    compared_layers: list[tuple[str, str]] = [("all", "qkv")]
    """Layer sets that are compared on the same abstracts, where a model was trained on a dataset with both."""
    heatmap_rows: int = Field(1000, ge=2)
    """Abstracts drawn in the figures of cosines; of larger evaluation sets, a random sample of so many."""
    abstracts: int = Field(20, ge=0)
    """Abstracts in the report whose completions stand side by side."""


class TablesStage(Section):
    """What `tables.py` is given."""

    seed: int
    """Seed of resampling and of sign flips."""
    uncertainty: Uncertainty
    """Intervals and tests."""
    compared_layers: list[tuple[str, str]]
    """Layer sets that are compared."""
    metrics: list[ReportedMetric] = []
    """The metrics, in the order in which they are shown."""


class FiguresStage(Section):
    """What `figures.py` is given."""

    seed: int
    """Seed of the sample of abstracts."""
    heatmap_rows: int
    """Abstracts drawn in the figures of cosines."""
    gpus: dict[str, int] = {}
    """GPUs that a job of each stage (a rule's name) holds, and a run's training (`train/RUN`) if it holds another
    number; no entry means none."""
    metrics: list[ReportedMetric] = []
    """The metrics, in the order in which they are shown."""


class PageStage(Section):
    """What `report.py` is given."""

    seed: int
    """Seed of the sample of abstracts."""
    abstracts: int
    """Abstracts whose completions stand side by side."""
    gpus: dict[str, int] = {}
    """As for the figures."""
    metrics: list[ReportedMetric] = []
    """The metrics, in the order in which they are shown."""
