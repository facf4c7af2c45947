"""Metrics as tables, figures and cards show them."""

from feyntune.evaluation.metrics import reported
from feyntune.evaluation.metrics.base import MetricSettings
from feyntune.evaluation.metrics.embedding import EmbeddingSettings
from feyntune.evaluation.metrics.rouge import RougeSettings

SEMSCORE = reported("semscore", EmbeddingSettings(path="here", title="SemScore"))
JINA = reported("jina", EmbeddingSettings(path="here", title="Jina score"))
ROUGE = reported("rouge", RougeSettings(kind="rouge"))
REPETITION = reported("repetition", MetricSettings(kind="repetition"))
NOVELTY = reported("novelty", MetricSettings(kind="novelty"))
METRICS = {metric.name: metric for metric in (SEMSCORE, JINA, ROUGE, REPETITION)}
