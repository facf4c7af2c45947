"""Settings of plans: what they go by where nothing is there yet to be measured."""

from pydantic import Field

from feyntune.settings.base import Name, Section


class ModelShape(Section):
    """The sizes of a transformer, by the names that they have in a model's `config.json`."""

    hidden_size: int = Field(ge=1)
    """Width of the hidden states."""
    num_hidden_layers: int = Field(ge=1)
    """Transformer blocks."""
    num_attention_heads: int = Field(ge=1)
    """Heads of the attention."""
    num_key_value_heads: int | None = Field(None, ge=1)
    """Heads of keys and values; null means as many as heads of the attention."""
    intermediate_size: int = Field(ge=1)
    """Width of the feed-forward layers."""
    vocab_size: int = Field(ge=1)
    """Tokens in the vocabulary."""
    gated: bool = True
    """Three feed-forward matrices in each block, as in Llama; false: two, as in BERT and GPT-2."""


class Planning(Section):
    """What `snakemake --executor plan` goes by where nothing is there to be measured; nothing here changes a result."""

    card: str | None = None
    """Graphics card of the jobs, such as `A100`, `H100`, `RTX 4090`; null means what the profile asks for, or what is
    in this machine, or an A100 of 40 GB."""
    words_per_abstract: float = Field(100, gt=0)
    """Words in an abstract of a dataset that is not there yet (hep-th has 99)."""
    tokens_per_word: float = Field(1.5, gt=0)
    """Tokens a word, where dataset and tokenizer are not both there to be counted."""
    papers: dict[str, int] = {}
    """Papers of a category (`math.AG`, `cs.*`) in a whole arXiv snapshot; those of the paper's datasets are known."""
    shapes: dict[Name, ModelShape] = {}
    """Shapes of models and scorers of the hub before they are fetched, by their names in `models` and `scorers`;
    Llama 3.1 8B and the paper's two scorers are known."""
