"""Settings of plans: assumptions about what does not exist yet and cannot be measured."""

from feyntune.core.schema import Count, CountOrZero, Name, Positive, Section


class ModelShape(Section):
    """The sizes of a transformer, with the names that they have in a model's `config.json`."""

    hidden_size: Count
    """Width of the hidden states."""
    num_hidden_layers: Count
    """Transformer blocks."""
    num_attention_heads: Count
    """Attention heads."""
    num_key_value_heads: Count | None = None
    """Key and value heads; null: as many as attention heads."""
    head_dim: Count | None = None
    """Width of a head; null: `hidden_size` / `num_attention_heads`."""
    intermediate_size: Count
    """Width of the feed-forward layers."""
    vocab_size: Count
    """Tokens in the vocabulary."""
    gated: bool = True
    """Whether each block has three feed-forward matrices, as in Llama, or two, as in BERT and GPT-2."""


class Planning(Section):
    """What plans assume about data and models that do not exist yet; no key of this section affects a result."""

    gpu: str | None = None
    """Model of the GPUs, such as `A100`, `H100`, `RTX 4090`; null: what the profile requests, or what this machine
    has, or what `snakemake check` has measured, or an A100 with 40 GB."""
    words_per_abstract: Positive = 100
    """Words per abstract of a dataset that does not exist yet (hep-th has 99)."""
    tokens_per_word: Positive = 1.5
    """Tokens per word, if dataset or tokenizer does not exist yet."""
    papers: dict[str, CountOrZero] = {}
    """Number of papers of a category (`math.AG`, `cs.*`) in the arXiv snapshot; built in for the paper's datasets."""
    shapes: dict[Name, ModelShape] = {}
    """Shapes of models and metric models of the hub that are not fetched yet, by their names in `models` and `metrics`;
    built in for Llama 3.1 8B and the paper's two metrics."""
