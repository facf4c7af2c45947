"""Secrets: from the environment or from ``.env``, read by the one program that needs them, when it needs them.

They are never arguments, settings or parameters, so that no log, job script or record can hold them.
"""

import os
from pathlib import Path

from feyntune.core.errors import FeynTuneError

HUB = ("HF_TOKEN", "HUGGINGFACE_API_KEY")
"""Names of the hub's token: its own, and the reference's."""
WANDB = ("WANDB_API_KEY",)
"""Name of the key of W&B."""
SOURCES = {HUB: "https://huggingface.co/settings/tokens", WANDB: "https://wandb.ai/authorize"}
"""Where a person gets them."""


def read_secret(names):
    """The first of these names that the environment has a value for, else ``.env``; None if neither has one."""
    return next((value for values in (os.environ, _dotenv()) for name in names if (value := values.get(name))), None)


def require_secret(names, rule):
    """As ``read_secret``.

    Raises:
        FeynTuneError: there is none; names the rule that needs it, and where to get it.
    """
    secret = read_secret(names)
    if secret is None:
        raise FeynTuneError(f"rule {rule} needs {names[0]} in the environment or in .env; get it at {SOURCES[names]}")
    return secret


def _dotenv():
    try:
        lines = Path(".env").read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return {}
    pairs = (line.split("=", 1) for line in lines if "=" in line and not line.lstrip().startswith("#"))
    return {key.strip().removeprefix("export "): value.strip().strip("'\"") for key, value in pairs}
