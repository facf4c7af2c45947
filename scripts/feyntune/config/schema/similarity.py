"""Settings of the similarities between abstracts."""

from typing import Literal

from feyntune.config.schema.base import Section


class Similarity(Section):
    """The matrix of cosines between all pairs of an evaluation set's embeddings."""

    pool_bos: bool = False
    """Whether the mean over tokens in the matrix includes BOS, whose hidden state is far larger than the others, as in
    the paper. Statistics are computed both ways."""
    dtype: Literal["float32", "float16"] = "float32"
    """Number format of the matrix on disk."""
