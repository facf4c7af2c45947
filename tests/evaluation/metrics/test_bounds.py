"""Values of a metric are finite and inside the bounds of their columns."""

import numpy as np
import pytest

from feyntune.core.errors import FeynTuneError
from feyntune.evaluation.metric_jobs import check_bounds
from feyntune.evaluation.metrics.embedding import Embedding, EmbeddingSettings, SentenceEmbedder

METRIC = Embedding(EmbeddingSettings(path="model"))


def test_cosines_may_exceed_one_by_rounding_and_be_missing():
    check_bounds(METRIC, {"score": [1.0 + 1e-9, None, -1.0], "score_continuation": np.array([0.0, 0.5, 1.0])})


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), 1.01, -7.0])
def test_other_values_are_refused(wrong):
    with pytest.raises(FeynTuneError, match=r"score_continuation: .* is not in"):
        check_bounds(METRIC, {"score": [0.0, 0.0], "score_continuation": [0.0, wrong]})


def test_a_model_with_nan_weights_scores_nothing():
    class Broken:
        max_seq_length = None

        def encode(self, texts, **_):
            return np.full((len(texts), 4), np.nan)

    embedder = SentenceEmbedder.__new__(SentenceEmbedder)
    embedder.model, embedder.batch_size = Broken(), 8
    with pytest.raises(FeynTuneError, match="not finite"):
        embedder.embed(["a", "b"])
