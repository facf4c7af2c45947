"""Settings of the similarities between abstracts."""

from typing import Literal

from feyntune.config.schema.base import Section


class Similarity(Section):
    """The matrix of cosines between all pairs of an evaluation set's embeddings."""

    pool_bos: bool = False
    """Whether the matrix counts BOS, whose state dwarfs the others, as the paper's does; statistics come both ways."""
    dtype: Literal["float32", "float16"] = "float32"
    """Number format in which the matrix is kept."""
