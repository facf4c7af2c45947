"""Settings of the similarities between abstracts."""

from typing import Literal

from feyntune.core.schema import Section


class Similarity(Section):
    """The matrix of cosines between all pairs of an evaluation set's embeddings."""

    pool_bos: bool = False
    """Whether the mean over tokens includes BOS, as in the paper; its hidden state is much larger than the others.
    The statistics are given with and without it."""
    dtype: Literal["float32", "float16"] = "float32"
    """Number format of the matrix in its file."""
