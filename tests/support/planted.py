"""Marked secrets in the environment and in .env, and the search for traces of them."""

import base64
import os
from pathlib import Path

from support.loopback_push import TOKEN

QUICK = ("--configfile", "config/config.yaml", "tests/end_to_end/quick.yaml")
"""Options of the whole job with real parts, too small to learn anything."""
WANDB_KEY = "plantedkeyofwandb" + "0123456789" * 2 + "012"
SECRETS = {"HF_TOKEN": TOKEN, "WANDB_API_KEY": WANDB_KEY, "HUGGINGFACE_API_KEY": "hf_planted" + "InDotenv"}


def plant(folder):
    """Write .env into a folder; returns the variables that hold the other secrets and keep libraries inside it."""
    names = ("WANDB_CONFIG_DIR", "WANDB_CACHE_DIR", "WANDB_DATA_DIR", "HF_HOME")
    (folder / ".env").write_text("".join(f"{name}={secret}\n" for name, secret in SECRETS.items()))
    return {
        "HF_TOKEN": SECRETS["HF_TOKEN"],
        "WANDB_API_KEY": SECRETS["WANDB_API_KEY"],
        **dict.fromkeys(names, str(folder / "libraries")),
    }


def traces(folder, texts):
    """Names of secrets with the files below a folder, links apart, or the texts, that hold them in any spelling."""
    spelt = {name: _spellings(secret) for name, secret in SECRETS.items()}
    files = {str(path): path.read_bytes() for path in _files(folder) if path != Path(folder) / ".env"}
    said = {f"text {place}": text.encode() for place, text in enumerate(texts)}
    return [
        (name, place)
        for place, content in {**files, **said}.items()
        for name, spellings in spelt.items()
        if any(spelling in content for spelling in spellings)
    ]


def _spellings(secret):
    plain = secret.encode()
    return [plain, *(base64.b64encode(prefix + plain)[:40] for prefix in (b"", b"api:", b"user:"))]


def _files(folder):
    for parent, _, names in os.walk(folder):
        yield from (path for name in names if (path := Path(parent) / name).is_file() and not path.is_symlink())
