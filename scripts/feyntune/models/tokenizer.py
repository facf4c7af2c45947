"""Tokenization of texts: one way for training, completion and perplexity.

Every text begins with the beginning-of-sequence token (BOS), if the tokenizer has one; it ends with the
end-of-sequence token (EOS) only for training. Both are added here, because tokenizers differ: ``add_eos_token=True``
alone drops BOS on a fast tokenizer. Special tokens that are written out inside an abstract (``</s>``) are plain text.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from feyntune.core.errors import FeynTuneError, shorten

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def load_tokenizer(folder: str | Path) -> PreTrainedTokenizerBase:
    """Load the tokenizer of a model folder, offline; padding is on the left and uses EOS if there is no pad token.

    Padding never affects a result: masks and labels depend on lengths, not on the pad token's id.

    Raises:
        FeynTuneError: there is no tokenizer in the folder, or it has no EOS.
    """
    from transformers import AutoTokenizer

    if not Path(folder).is_dir():
        raise FeynTuneError(f"{folder}: no such folder; name a Hugging Face model folder")
    try:
        tokenizer = AutoTokenizer.from_pretrained(
            folder, padding_side="left", local_files_only=True, trust_remote_code=False
        )
        _ids(tokenizer, ["A text."])  # some settings are wrong only when they are used
    except Exception as error:  # the tokenizers library raises plain Exception
        reason = shorten(str(error).splitlines()[0] if str(error) else type(error).__name__, 90)
        raise FeynTuneError(f"{folder}: no readable tokenizer ({reason}); compare it with its source") from error
    if tokenizer.eos_token_id is None:
        raise FeynTuneError(f"{folder}: its tokenizer has no end-of-sequence token; name one in tokenizer_config.json")
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def encode(tokenizer: PreTrainedTokenizerBase, texts: Iterable[str], *, eos: bool) -> list[list[int]]:
    """Encode texts as lists of token ids: BOS (if the tokenizer has one), the text, and EOS if ``eos``.

    Args:
        tokenizer: from ``load_tokenizer``.
        texts: the texts.
        eos: whether EOS ends each sequence: True for training, False for prompts and perplexity.

    Raises:
        FeynTuneError: the tokenizer adds special tokens of its own to a text.
    """
    before = [] if tokenizer.bos_token_id is None else [tokenizer.bos_token_id]
    after = [tokenizer.eos_token_id] if eos else []
    texts = list(texts)
    if not texts:
        return []
    encoded = _ids(tokenizer, texts)
    special = {*before, tokenizer.eos_token_id}
    for text, ids in zip(texts, encoded, strict=True):
        if special.intersection(ids):
            place = Path(tokenizer.name_or_path, "tokenizer.json")
            raise FeynTuneError(f"{place}: it adds special tokens to {text[:40]!r}; remove its post-processor")
    return [before + ids + after for ids in encoded]


def _ids(tokenizer: PreTrainedTokenizerBase, texts: list[str]) -> list[list[int]]:
    return tokenizer(texts, add_special_tokens=False, split_special_tokens=True, verbose=False)["input_ids"]


def token_conventions(tokenizer: PreTrainedTokenizerBase) -> dict[str, Any]:
    """What ``encode`` does with this tokenizer, for the provenance of a result."""
    return {
        "bos": tokenizer.bos_token,
        "bos_id": tokenizer.bos_token_id,
        "eos": tokenizer.eos_token,
        "eos_id": tokenizer.eos_token_id,
        "training": "BOS text EOS" if tokenizer.bos_token else "text EOS",
        "scoring": "BOS text" if tokenizer.bos_token else "text",
        "completion": "BOS prompt" if tokenizer.bos_token else "prompt",
    }
