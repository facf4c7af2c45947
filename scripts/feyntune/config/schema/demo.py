"""Settings of the demonstration: a synthetic snapshot, a small language model, small metric models."""

from pydantic import Field

from feyntune.core.schema import Category, Count, Name, Section, Seed


class DemoSnapshot(Section):
    """A synthetic arXiv metadata snapshot."""

    seed: Seed = 42
    """Seed of everything in it."""
    papers: int = Field(4000, ge=100, le=10_000_000)
    """Number of papers, besides the control papers."""


class DemoModel(Section):
    """A small Llama, pretrained on papers of the snapshot, except those of the categories that it is fine-tuned on."""

    seed: Seed = 42
    """Seed of its weights and of the order of the abstracts."""
    without: list[Category] = ["hep-th"]
    """Primary categories that are left out of the pretraining; its tokenizer is trained on all papers."""
    vocabulary: int = Field(2048, ge=300, le=200_000)
    """Tokens of its byte-level BPE, special tokens included."""
    context: int = Field(512, ge=64, le=131_072)
    """Longest sequence in tokens."""
    hidden_size: int = Field(192, ge=64, le=16_384, multiple_of=64)
    """Width; a multiple of 64, because bitsandbytes quantises blocks of 64 values."""
    layers: int = Field(3, ge=1, le=1000)
    """Transformer blocks."""
    steps: Count = 300
    """Optimizer steps (AdamW)."""
    batch_size: Count = 16
    """Abstracts per step."""
    learning_rate: float = Field(3e-3, gt=0, le=10)
    """Peak learning rate."""


class DemoMetricModel(Section):
    """A small sentence-embedding model, fitted on the snapshot's abstracts."""

    seed: Seed = 42
    """Seed of the start vector of the singular value decomposition; other seeds change results by rounding only."""
    dimensions: int = Field(64, ge=2, le=4096)
    """Length of its vectors."""


class Demo(Section):
    """The synthetic data and models of the embedded default configuration."""

    snapshot: DemoSnapshot = DemoSnapshot()
    """The papers."""
    model: DemoModel = DemoModel()
    """The language model that is pretrained on them."""
    metrics: dict[Name, DemoMetricModel] = {
        "semscore": DemoMetricModel(),
        "jina": DemoMetricModel(dimensions=96, seed=43),
    }
    """Metric models by name, made in `results/demo/metrics/{name}`."""
