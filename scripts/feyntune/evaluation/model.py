"""The model that is evaluated, as completion and scoring load it, and the record that their results carry."""

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from feyntune.core.fingerprint import code_fingerprint
from feyntune.core.hashing import content_hash
from feyntune.core.provenance import device_name, provenance
from feyntune.models.load import context_length, load_adapter, load_base
from feyntune.models.tokenizer import load_tokenizer, token_conventions


@dataclass(frozen=True)
class EvaluatedModel:
    """A base model, with an adapter or without, ready for inference."""

    causal: Any
    """The transformers causal language model; an adapter's layers, if any, are inside it."""
    tokenizer: Any
    """From ``load_tokenizer``."""
    context: int | None
    """Tokens that the model can attend to; None if it knows no limit."""
    ends: list[int]
    """Ids of the tokens that end a text."""


def load_evaluated(base, adapter, stage, merge=False):
    """Load the model of a run.

    Args:
        base: folder of the base model.
        adapter: folder of a PEFT adapter, or None for the base model alone.
        stage: settings with ``quantization``, ``precision`` and ``base_names``.
        merge: add the adapter to the weights, which saves time at every token; never done to quantised weights, which
            would have to be quantised anew.
    """
    tokenizer = load_tokenizer(base)
    causal = load_base(base, stage.quantization, stage.precision).eval()
    if adapter:
        adapted = load_adapter(causal, adapter, stage.base_names)
        merges = merge and stage.quantization.method == "none"
        causal = adapted.merge_and_unload() if merges else adapted.get_base_model()
    context = context_length(causal.config)
    return EvaluatedModel(causal, tokenizer, context, _ends(causal, tokenizer))


def _ends(causal, tokenizer):
    """The tokenizer's end-of-sequence token, those that the model's configuration names, and BOS.

    Some models were trained on texts that follow each other with nothing but a BOS between them.
    """
    named = causal.generation_config.eos_token_id
    named = named if isinstance(named, list) else [named]
    ends = {tokenizer.eos_token_id, tokenizer.bos_token_id, *named}
    return sorted(token for token in ends if token is not None)


def evaluation_record(model, stage, **counts):
    """What a result of ``model`` under the settings ``stage`` carries with it; ``counts`` are told beside."""
    return {
        **provenance(),
        "device": device_name(model.causal.device),
        "token_conventions": token_conventions(model.tokenizer),
        "settings": stage.model_dump(mode="json"),
        **counts,
    }


def work_note(program, options, stage, sequences):
    """What unfinished work depends on: code, settings, weights and data; under another note it starts over.

    Args:
        program: the program's file name.
        options: its options ``base`` and ``adapter``.
        stage: its settings.
        sequences: lists of token ids that it works on.
    """
    return {
        "code": code_fingerprint(program),
        "settings": stage.model_dump(mode="json"),
        "weights": content_hash(options.base, *filter(None, [options.adapter])),
        "data": hashlib.sha256(json.dumps(sequences).encode()).hexdigest(),
    }
