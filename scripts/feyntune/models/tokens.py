"""How a model reads and ends texts: its tokenizer, its context length and its end tokens, without its weights."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from feyntune.core.errors import FeynTuneError, shorten
from feyntune.core.files import read_json, unreadable
from feyntune.models.tokenizer import load_tokenizer

if TYPE_CHECKING:
    from transformers import GenerationConfig, PretrainedConfig, PreTrainedTokenizerBase


@dataclass(frozen=True)
class ModelTokens:
    """The tokenizer of a model and the limits of its texts."""

    tokenizer: PreTrainedTokenizerBase
    """From ``load_tokenizer``."""
    context: int | None
    """Tokens that the model can attend to; None: its configuration sets no limit."""
    eos_ids: list[int]
    """Ids of the tokens that end a text."""


def load_tokens(folder: str | Path) -> ModelTokens:
    """Read ``ModelTokens`` from a model folder, offline and without the weights.

    Raises:
        FeynTuneError: there is no tokenizer or configuration in the folder, or it cannot be read.
    """
    config = load_config(folder)
    tokenizer = load_tokenizer(folder)
    generation = _generation_config(folder, config)
    return ModelTokens(tokenizer, context_length(config), _eos_ids(folder, tokenizer, generation))


OWN_FILES = ("fetched.json", "run.json", "weights.json")
"""Files of ours in model folders: a receipt, the record of a training, digests of weights."""


def settings_files(folder: Path) -> Iterator[Path]:
    """The files of a model's configuration, its tokenizer and its generation settings; not those of its weights."""
    suffixes = {".json", ".model", ".txt", ".jinja"}
    for path in sorted(folder.iterdir()):
        if path.suffix in suffixes and ".index." not in path.name and path.name not in OWN_FILES:
            yield path


def load_config(folder: str | Path) -> PretrainedConfig:
    """Read a model's configuration. Raises FeynTuneError if it cannot be read."""
    from transformers import AutoConfig

    if not Path(folder).is_dir():
        raise FeynTuneError(f"{folder}: no such folder; name a Hugging Face model folder")
    path = Path(folder) / "config.json"
    read_json(path)  # whose errors are clearer
    with unreadable(path, "not a model's configuration", Exception, remedy="compare it with its source"):
        return AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)


def context_length(config: PretrainedConfig) -> int | None:
    """The largest number of tokens that a model can attend to; None if its configuration sets no limit."""
    return getattr(config, "max_position_embeddings", None)


def _generation_config(folder: str | Path, config: PretrainedConfig) -> GenerationConfig:
    """As ``from_pretrained`` of a model sets it: from its own file, or else from the model's configuration."""
    from transformers import GenerationConfig

    path = Path(folder) / "generation_config.json"
    if path.is_file():
        with unreadable(path, "not generation settings", Exception, remedy="compare it with its source"):
            return GenerationConfig.from_pretrained(folder, local_files_only=True)
    return GenerationConfig.from_model_config(config)


def _eos_ids(folder: str | Path, tokenizer: PreTrainedTokenizerBase, generation: GenerationConfig) -> list[int]:
    """The tokenizer's end-of-sequence token, those in the model's generation settings, and BOS.

    Some models were trained on texts that are separated by nothing but a BOS.
    """
    named = generation.eos_token_id if isinstance(generation.eos_token_id, list) else [generation.eos_token_id]
    wrong = [token for token in named if not isinstance(token, int | None)]
    if wrong:
        fault = f"eos_token_id: {shorten(wrong[0], 40)} is no id of a token"
        raise FeynTuneError(f"{Path(folder) / 'generation_config.json'}: {fault}; compare it with its source")
    ids = {tokenizer.eos_token_id, tokenizer.bos_token_id, *named}
    return sorted(token for token in ids if token is not None)
