"""sentence-transformers' own loop over texts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from serve import serve


def prepare(model: str, texts: list[str], batch: int) -> Callable[[], Any]:
    """Load a sentence model; the work gives the embedding of each text."""
    from sentence_transformers import SentenceTransformer

    loaded = SentenceTransformer(model, device="cpu")
    return lambda: loaded.encode(texts, batch_size=batch, show_progress_bar=False).tolist()


if __name__ == "__main__":
    serve(prepare)
