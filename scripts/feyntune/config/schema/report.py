"""Settings of tables, figures, the report and rating sheets."""

from typing import Any, Self

from pydantic import Field, model_validator

from feyntune.core.schema import CountOrZero, Name, Section, Seed
from feyntune.evaluation.metrics import ReportedMetric


class Uncertainty(Section):
    """Bootstrap intervals and paired permutation tests."""

    resamples: int = Field(9999, ge=99, le=1_000_000)
    """Resamples per interval, and the least number of sign flips per test: 400 per comparison that is corrected for, if
    that is more. Tests have no smallest p-value but that of their number of abstracts."""
    confidence: float = Field(0.95, ge=0.5, lt=1)
    """Coverage of the intervals."""


class Report(Section):
    """Tables, figures and the report."""

    uncertainty: Uncertainty = Uncertainty()
    """How intervals and p-values are computed."""
    compared_layers: list[tuple[Name, Name]] = [("all", "qkv")]
    """Pairs of layer sets that are compared on the same abstracts, for each model and dataset that has both."""
    membership: list[tuple[Name, Name]] = []
    """Pairs of evaluation sets that are compared by Min-K%++ (`perplexity.membership`), such as `[seen, unseen]`: the
    first of texts that models may have been trained on (`split: train`), the second of texts that they cannot have
    seen. A table shows how well the score separates them for each run."""
    heatmap_rows: int = Field(1000, ge=2, le=20_000)
    """Abstracts in the figures of cosines; larger evaluation sets are sampled randomly."""
    abstracts: CountOrZero = 20
    """Abstracts whose completions the report shows side by side."""

    @model_validator(mode="after")
    def _different_layers(self) -> Self:
        if same := [pair for pair in self.compared_layers if pair[0] == pair[1]]:
            raise ValueError(f"'compared_layers' compares {same[0][0]!r} with itself")
        return self


class Group(Section):
    """Runs that differ in their seed only; a run that has no such others is a group by itself."""

    name: str
    """Its name in tables and figures."""
    runs: list[str]
    """Names of its runs."""
    seeds: list[int] = []
    """Seeds of their trainings, in the same order; empty if the run is not trained."""
    varied: dict[str, Any] = {}
    """Settings that the grid varies, by key."""


class TablesStage(Section):
    """Settings of `tables.py`."""

    seed: Seed
    """Seed of resampling and of sign flips."""
    uncertainty: Uncertainty
    """Intervals and tests."""
    compared_layers: list[tuple[str, str]]
    """Pairs of layer sets that are compared."""
    membership: list[tuple[str, str]] = []
    """Pairs of evaluation sets that are compared by Min-K%++."""
    unlike_base: list[str] = []
    """Runs that are evaluated with another quantisation or precision than their base run, and therefore marked."""
    groups: list[Group] = []
    """All runs by groups that differ in their seed only; empty if no run has a seed of its own and nothing varies."""
    metrics: list[ReportedMetric] = []
    """The metrics, in the order in which they are shown."""


class FiguresStage(Section):
    """Settings of `figures.py`."""

    seed: Seed
    """Seed of the sample of abstracts."""
    heatmap_rows: int
    """Abstracts in the figures of cosines."""
    gpus: dict[str, int] = {}
    """GPUs per job, by stage (a rule's name), and by run (`train/RUN`) if its number differs; no entry: none."""
    groups: list[Group] = []
    """All runs by groups that differ in their seed only; empty if no run has a seed of its own and nothing varies."""
    metrics: list[ReportedMetric] = []
    """The metrics, in the order in which they are shown."""


class ExploreStage(Section):
    """Settings of `explore.py`."""

    metrics: list[ReportedMetric] = []
    """The metrics, in the order in which they are shown."""


class PageStage(Section):
    """Settings of `report.py`."""

    seed: Seed
    """Seed of the sample of abstracts."""
    abstracts: int
    """Abstracts whose completions are shown side by side."""
    gpus: dict[str, int] = {}
    """As for the figures."""
    unlike_base: list[str] = []
    """Runs that are evaluated with another quantisation or precision than their base run, and therefore marked."""
    groups: list[Group] = []
    """All runs by groups that differ in their seed only; empty if no run has a seed of its own and nothing varies."""
    metrics: list[ReportedMetric] = []
    """The metrics, in the order in which they are shown."""
