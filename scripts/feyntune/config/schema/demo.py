"""Settings of the embedded default's material: a made-up snapshot, a small language model, small metrics."""

from pydantic import Field

from feyntune.config.schema.base import Name, Section


class DemoSnapshot(Section):
    """A made-up arXiv metadata snapshot."""

    seed: int = 42
    """Seed of everything in it."""
    papers: int = Field(4000, ge=100)
    """How many papers it lists, besides the control papers."""


class DemoModel(Section):
    """A small Llama, pretrained on the snapshot's papers of other categories than those that it shall learn later."""

    seed: int = 42
    """Seed of its weights and of the order of the abstracts."""
    without: list[str] = ["hep-th"]
    """Primary categories that it does not see; its tokenizer sees all."""
    vocabulary: int = Field(2048, ge=300)
    """Tokens of its byte-level BPE, special tokens included."""
    context: int = Field(512, ge=64)
    """Longest sequence in tokens."""
    hidden_size: int = Field(192, ge=64, multiple_of=64)
    """Width; a multiple of 64, so that bitsandbytes quantises whole blocks of each row."""
    layers: int = Field(3, ge=1)
    """Transformer blocks."""
    steps: int = Field(300, ge=1)
    """Steps of AdamW."""
    batch_size: int = Field(16, ge=1)
    """Abstracts a step."""
    learning_rate: float = Field(3e-3, gt=0)
    """Peak learning rate."""


class DemoMetricModel(Section):
    """A small sentence-embedding model, fitted on the snapshot's abstracts."""

    seed: int = 42
    """Seed of the vector from which the decomposition starts; another gives the same vectors up to rounding."""
    dimensions: int = Field(64, ge=2)
    """Length of its vectors."""


class Demo(Section):
    """All of it."""

    snapshot: DemoSnapshot = DemoSnapshot()
    """The papers that it makes up."""
    model: DemoModel = DemoModel()
    """The model that it pretrains on them."""
    metrics: dict[Name, DemoMetricModel] = {
        "semscore": DemoMetricModel(),
        "jina": DemoMetricModel(dimensions=96, seed=43),
    }
    """Metrics by name, made in `results/demo/metrics/{name}`."""
