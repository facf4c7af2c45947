"""Every kind of out-of-memory error ends a job in one line that names the key to change; nothing is written."""

import errno
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from feyntune.config.schema.generation import CompletionStage
from feyntune.config.schema.metrics import MetricStage, PreparationStage
from feyntune.config.schema.models import Precision, Quantization
from feyntune.config.schema.perplexity import PerplexityStage
from feyntune.config.schema.similarity import Similarity
from feyntune.core.errors import FeynTuneError
from feyntune.evaluation import metric_jobs, perplexity, perplexity_batches, similarity
from feyntune.evaluation.generation import completions
from feyntune.evaluation.metrics.base import Completions
from feyntune.evaluation.metrics.embedding import Embedding
from feyntune.models import dequantize, load

COMMON = {"run": "tiny_base", "limit": None, "base_names": ["tiny"], "precision": {"dtype": "float32"}}
EMBEDDING = {"metric": {"kind": "embedding", "path": "here"}}
ERRORS = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    RuntimeError("CUDA error: out of memory\nCUDA kernel errors might be asynchronously reported"),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    RuntimeError("[enforce fail at alloc_cpu.cpp:124] DefaultCPUAllocator: can't allocate memory"),
    MemoryError(),
    OSError(errno.ENOMEM, "Cannot allocate memory"),
]


@pytest.fixture(params=ERRORS, ids=lambda error: f"{type(error).__name__}: {error}"[:40])
def fail(request):
    """A function that runs out of memory, whatever it is given."""

    def fail(*_, **__):
        raise request.param

    return fail


def check(job, key):
    with pytest.raises(FeynTuneError, match=r"^out of memory while ") as caught:
        job()
    line = str(caught.value)
    assert key in line and "mem_mb" in line and len(line) <= 200 and "\n" not in line


def test_loading(tiny_model, fail, monkeypatch):
    monkeypatch.setattr("transformers.AutoModelForCausalLM.from_pretrained", fail)
    settings = Quantization(method="none"), Precision(dtype="float32")
    check(lambda: load.load_base(tiny_model, *settings), "quantization.method")


def test_completion(tmp_path, tiny_model, dataset, fail):
    stage = CompletionStage(**COMMON, quantization={"method": "none"}, seed=1, generation={"max_new_tokens": 4})
    output = tmp_path / "out.parquet"
    job = completions.CompletionJob(stage, tiny_model, None, dataset, tmp_path / "shards", output, "code")
    check(lambda: completions.run(job, lambda *_: SimpleNamespace(complete=fail)), "generation.batch_size (now auto)")
    assert not output.exists()


def test_perplexity(tmp_path, tiny_model, dataset, fail, monkeypatch):
    monkeypatch.setattr(perplexity_batches, "evaluate_batch", fail)
    stage = PerplexityStage(**COMMON, quantization={"method": "none"}, perplexity={"batch_tokens": 256})
    files = tmp_path / "shards", tmp_path / "perplexity.parquet", tmp_path / "embeddings.pt"
    job = perplexity.PerplexityJob(stage, tiny_model, None, dataset, *files, "code")
    check(lambda: perplexity.run(job), "perplexity.batch_tokens (now 256)")
    assert not files[1].exists()


def test_metrics(tmp_path, dataset, fail, monkeypatch):
    monkeypatch.setattr(Embedding, "prepare", fail)
    monkeypatch.setattr(Embedding, "score", fail)
    monkeypatch.setattr(metric_jobs, "read_completions", lambda _: Completions(["a"], *[["text"]] * 4))
    output, model = tmp_path / "out", Path("here")
    preparation = metric_jobs.PreparationJob(dataset, model, PreparationStage(**EMBEDDING, limit=None), output)
    check(lambda: metric_jobs.run_preparation(preparation), "batch_size (now 64)")
    job = metric_jobs.MetricJob(tmp_path, None, model, MetricStage(**EMBEDDING), output)
    check(lambda: metric_jobs.run_metric(job), "batch_size (now 64)")
    assert not output.exists()


def test_dequantisation(tmp_path, fail, monkeypatch):
    monkeypatch.setattr(dequantize, "load_tokens", lambda _: None)
    monkeypatch.setattr(dequantize, "load_base", lambda *_: SimpleNamespace(dequantize=fail))
    job = dequantize.DequantizeJob(Quantization(), Precision(), tmp_path, None, [], tmp_path / "out")
    check(lambda: dequantize.run(job), "evaluation.weights: quantised")
    assert not (tmp_path / "out").exists()


def test_similarity(tmp_path, fail, monkeypatch):
    monkeypatch.setattr(similarity, "has_bos", lambda _: False)
    monkeypatch.setattr(similarity, "cosine_matrix", fail)
    job = similarity.SimilarityJob(Similarity(), tmp_path / "in.pt", tmp_path / "out.pt", tmp_path / "out.json")
    check(lambda: similarity.run(job), "similarity.dtype: float16")
