"""Settings of plans: assumptions for what does not exist yet and cannot be measured."""

from pydantic import Field

from feyntune.config.schema.base import Name, Section


class ModelShape(Section):
    """The sizes of a transformer, by their keys in a model's `config.json`."""

    hidden_size: int = Field(ge=1)
    """Width of the hidden states."""
    num_hidden_layers: int = Field(ge=1)
    """Transformer blocks."""
    num_attention_heads: int = Field(ge=1)
    """Heads of the attention."""
    num_key_value_heads: int | None = Field(None, ge=1)
    """Heads of keys and values; null means the same number as `num_attention_heads`."""
    intermediate_size: int = Field(ge=1)
    """Width of the feed-forward layers."""
    vocab_size: int = Field(ge=1)
    """Tokens in the vocabulary."""
    gated: bool = True
    """Three feed-forward matrices in each block, as in Llama; false: two, as in BERT and GPT-2."""


class Planning(Section):
    """Assumptions of `snakemake plan` where nothing exists yet to be measured; they change no result."""

    gpu: str | None = None
    """GPU of the jobs, such as `A100`, `H100`, `RTX 4090`; null means the GPU that the profile asks for, or the one in
    this machine, or an A100 with 40 GB."""
    words_per_abstract: float = Field(100, gt=0)
    """Words per abstract of a dataset that does not exist yet (hep-th has 99)."""
    tokens_per_word: float = Field(1.5, gt=0)
    """Tokens per word, where the dataset or the tokenizer does not exist yet."""
    papers: dict[str, int] = {}
    """Papers of a category (`math.AG`, `cs.*`) in a whole arXiv snapshot; those of the paper's datasets are known."""
    shapes: dict[Name, ModelShape] = {}
    """Shapes of models and metrics of the hub before they are fetched, by their names in `models` and `metrics`;
    Llama 3.1 8B and the paper's two metrics are known."""
