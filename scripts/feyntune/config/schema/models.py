"""Settings of base models, their precision, and adapters."""

from typing import Literal

from pydantic import Field

from feyntune.core.schema import Section


class Quantization(Section):
    """How the base model's weights are stored while adapters are trained and evaluated (bitsandbytes)."""

    method: Literal["nf4", "fp4", "int8", "none"] = "nf4"
    """`nf4` and `fp4`: 4 bits per weight; `int8`: 8 bits (needs a GPU); `none`: the data type `precision.dtype`."""
    double: bool = True
    """Double quantisation: also quantise the scales of 4-bit weights (QLoRA, arXiv:2305.14314, section 3)."""


class Precision(Section):
    """Number formats of the computation."""

    dtype: Literal["bfloat16", "float16", "float32"] = "bfloat16"
    """Data type of computation, and of weights that are not quantised."""
    attention: Literal["auto", "flash_attention_2", "sdpa", "eager"] = "auto"
    """Attention implementation; `auto`: flash attention on a GPU if it is installed, else sdpa."""


class Lora(Section):
    """LoRA, with the options of peft (arXiv:2106.09685); the defaults are the paper's."""

    r: int = Field(8, ge=1, le=65_536)
    """Rank of the update."""
    alpha: float = Field(32, gt=0, le=1e6)
    """Scale: the update is multiplied by alpha / r."""
    dropout: float = Field(0.05, ge=0, lt=1)
    """Dropout on the input of the update, while training."""
    bias: Literal["none", "all", "lora_only"] = "none"
    """Which biases are trained."""
    init: Literal["default", "pissa", "loftq"] = "default"
    """Initial adapter: LoRA's own; `pissa` (arXiv:2404.02948; needs an unquantised base model, publishes an adapter of
    rank 2 r); `loftq` (arXiv:2310.08659, one iteration; needs a 4-bit base model)."""
    use_dora: bool = False
    """Weight-decomposed LoRA (arXiv:2402.09353)."""
    use_rslora: bool = False
    """Rank-stabilised LoRA (arXiv:2312.03732): scale alpha / sqrt(r)."""
