"""lm-evaluation-harness' rolling log-likelihood of texts."""

from __future__ import annotations

from collections.abc import Callable

from serve import serve


def prepare(model: str, texts: list[str], batch: int) -> Callable[[], list[float]]:
    """Load a model; the work gives the log-likelihood of each text in nats."""
    from lm_eval.api.instance import Instance
    from lm_eval.models.huggingface import HFLM

    loaded = HFLM(pretrained=model, device="cpu", dtype="float32", batch_size=batch)
    requests = [
        Instance(request_type="loglikelihood_rolling", doc={}, arguments=(text,), idx=number)
        for number, text in enumerate(texts)
    ]
    return lambda: loaded.loglikelihood_rolling(requests, disable_tqdm=True)


if __name__ == "__main__":
    serve(prepare)
