"""The project's one way from text to tokens, for training, completion and scoring.

The conventions: the beginning-of-sequence token (BOS) stands in front of every text, where the tokenizer has one; the
end-of-sequence token (EOS) closes a text only when it is trained on. Neither is left to the tokenizer's own habits, for
these differ: ``add_eos_token=True`` alone drops BOS on a fast tokenizer. Special tokens spelt out inside an abstract
(``</s>``) are plain characters.
"""

from feyntune.core.errors import FeynTuneError


def load_tokenizer(folder):
    """Load the tokenizer of a model folder, offline; padding is on the left and uses EOS where there is no pad token.

    Padding never takes part in a computation: masks and labels go by length, not by the pad token's id.
    """
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder, padding_side="left", local_files_only=True)
    if tokenizer.eos_token_id is None:
        raise FeynTuneError(f"{folder}: its tokenizer has no end-of-sequence token; name one in tokenizer_config.json")
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def encode(tokenizer, texts, *, eos):
    """Encode texts as lists of token ids: BOS (if the tokenizer has one), the text, and EOS if ``eos``.

    Args:
        tokenizer: from ``load_tokenizer``.
        texts: a list of strings.
        eos: whether the closing EOS belongs to the sequence: True for training, False for prompts and scores.

    Raises:
        FeynTuneError: the tokenizer put special tokens of its own into a text.
    """
    before = [] if tokenizer.bos_token_id is None else [tokenizer.bos_token_id]
    after = [tokenizer.eos_token_id] if eos else []
    texts = list(texts)
    if not texts:
        return []
    encoded = tokenizer(texts, add_special_tokens=False, split_special_tokens=True, verbose=False)["input_ids"]
    special = {*before, tokenizer.eos_token_id}
    for text, ids in zip(texts, encoded, strict=True):
        if special.intersection(ids):
            raise FeynTuneError(f"the tokenizer adds special tokens to {text[:40]!r}; remove its post-processor")
    return [before + ids + after for ids in encoded]


def token_conventions(tokenizer):
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
