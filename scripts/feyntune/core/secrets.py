"""Secrets: from the environment, from ``.env``, or (the hub's token) from what ``hf auth login`` stored.

The one program that needs a secret reads it, when it needs it. Secrets are never arguments, settings or parameters, so
that no log, job script or record can hold them.
"""

from __future__ import annotations

import codecs
import functools
import io
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from feyntune.core.cli import say
from feyntune.core.errors import FeynTuneError
from feyntune.core.redaction import hide

HUB = ("HF_TOKEN", "HUGGINGFACE_API_KEY")
"""Names of the hub's token: its own, and the reference's."""
WANDB = ("WANDB_API_KEY",)
"""Name of the key of W&B."""
SOURCES = {HUB: "https://huggingface.co/settings/tokens", WANDB: "https://wandb.ai/authorize"}
"""Where a person gets them."""
FILE = Path(".env")
"""Relative to the working folder, which is the project's."""
UTF16_OR_32 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)


def read_secret(names: tuple[str, ...]) -> str | None:
    """The first of these names that has a value in the environment, else in ``.env``; None if neither has one.

    For the names of the hub's token also what ``hf auth login`` stored, last. Blanks and line ends around a value are
    removed; a source is not read if one before it has a value.

    Raises:
        FeynTuneError: a value with characters that no token has, or a ``.env`` that cannot be read.
    """
    sources: dict[str, Callable[[], Mapping[str, str | None]]] = {
        "the environment": lambda: os.environ,
        str(FILE): _dotenv,
    }
    if names == HUB:
        sources["what `hf auth login` stored"] = _stored
    return next(_values(names, sources), None)


def require_secret(names: tuple[str, ...], rule: str) -> str:
    """As ``read_secret``.

    Raises:
        FeynTuneError: there is none; names the rule that needs it, and where to get it. Also as ``read_secret``.
    """
    secret = read_secret(names)
    if secret is None:
        raise FeynTuneError(f"rule {rule} needs {names[0]} in the environment or in .env; get it at {SOURCES[names]}")
    return secret


def _values(names: tuple[str, ...], sources: Mapping[str, Callable[[], Mapping[str, str | None]]]) -> Iterator[str]:
    for place, read in sources.items():
        found = read()
        for name in names:
            if value := (found.get(name) or "").strip():
                yield _checked(value, name, place)


def _checked(value: str, name: str, place: str) -> str:
    """The value, if it can stand in the header of a request; the message of the error never holds it."""
    hide(value)
    if not all("!" <= character <= "~" for character in value):
        raise FeynTuneError(
            f"{name} in {place} holds a character that no token has (a blank, line break, NUL or non-ASCII character); "
            "copy it again"
        )
    return value


def _dotenv() -> Mapping[str, str | None]:
    """Variables of ``.env``, as written there: nothing in them is expanded."""
    from dotenv import dotenv_values

    try:
        content = FILE.read_bytes()
        mode = FILE.stat().st_mode
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise FeynTuneError(f"{FILE}: cannot be read ({error.strerror}); correct it or remove it") from None
    if mode & stat.S_IROTH:
        _warn_of_readers()
    return dotenv_values(stream=io.StringIO(_decoded(content)), interpolate=False)


def _decoded(content: bytes) -> str:
    """The text; UTF-16 without a mark is known by the zero byte of its first characters."""
    try:
        if content.startswith(UTF16_OR_32) or b"\0" in content[:4]:
            raise ValueError
        return content.decode("utf-8-sig")
    except ValueError:
        raise FeynTuneError(f"{FILE}: not UTF-8; save it as UTF-8 (Windows editors may write UTF-16)") from None


@functools.cache
def _warn_of_readers() -> None:
    """Once in a process."""
    say(f"warning: all users of this machine can read {FILE}; run `chmod 600 {FILE}`")


def _stored() -> Mapping[str, str | None]:
    from huggingface_hub import get_token

    try:
        return {HUB[0]: get_token()}
    except Exception as error:  # of files, of refreshing an OAuth token, of CI's own tokens
        fault = type(error).__name__
        raise FeynTuneError(
            f"the hub's stored token cannot be read ({fault}); set {HUB[0]}, or run `hf auth login` again"
        ) from None
