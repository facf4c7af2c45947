"""Settings of base models, their precision, and adapters."""

from typing import Literal

from pydantic import Field, model_validator

from feyntune.config.schema.base import Section


class Source(Section):
    """A folder on this machine, or a pinned revision on the Hugging Face hub: one of the two."""

    path: str | None = None
    """Folder with the files, relative to the project."""
    hub: str | None = None
    """Repository on the hub, as `organisation/name`."""
    revision: str | None = None
    """Commit (or tag) of that repository; required with `hub`, so that a run means the same tomorrow."""

    @model_validator(mode="after")
    def _one_place(self):
        if (self.path is None) == (self.hub is None):
            raise ValueError("give either 'path' or 'hub', not both and not neither")
        if self.hub and not self.revision:
            raise ValueError(f"'hub: {self.hub}' needs a 'revision' (a commit of that repository)")
        return self


class Quantization(Section):
    """How the base model's weights are stored while adapters are trained and evaluated (bitsandbytes)."""

    method: Literal["nf4", "fp4", "int8", "none"] = "nf4"
    """`nf4` and `fp4`: 4 bits a weight; `int8`: 8 bits (needs a GPU); `none`: as `dtype` says."""
    double: bool = True
    """Quantise the 4-bit scales as well (QLoRA, arXiv:2305.14314, section 3)."""


class Precision(Section):
    """Number formats of the computation."""

    dtype: Literal["bfloat16", "float16", "float32"] = "bfloat16"
    """Data type of computation, and of weights that are not quantised."""
    attention: Literal["auto", "flash_attention_2", "sdpa", "eager"] = "auto"
    """Attention implementation; `auto` takes flash attention where it is installed and a GPU is there, else sdpa."""


class Lora(Section):
    """LoRA (arXiv:2106.09685), by peft; the defaults are the paper's."""

    r: int = Field(8, ge=1)
    """Rank of the update."""
    alpha: float = Field(32, gt=0)
    """Scale: the update is multiplied by alpha / r."""
    dropout: float = Field(0.05, ge=0, lt=1)
    """Dropout on the input of the update, during training."""
    bias: Literal["none", "all", "lora_only"] = "none"
    """Which biases are trained."""
    init: Literal["default", "pissa", "loftq"] = "default"
    """Initial adapter: LoRA's own; `pissa` (arXiv:2404.02948; needs an unquantised base model, publishes an adapter of
    rank 2 r); `loftq` (arXiv:2310.08659, one iteration; needs a 4-bit base model)."""
    use_dora: bool = False
    """Weight-decomposed LoRA (arXiv:2402.09353)."""
    use_rslora: bool = False
    """Rank-stabilised LoRA (arXiv:2312.03732): the scale is alpha / sqrt(r)."""
