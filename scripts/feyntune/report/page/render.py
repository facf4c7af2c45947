"""The page as one file: it needs no network, and runs no script but its own."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent


def render(content: Mapping[str, Any]) -> str:
    """The HTML of the page.

    The policy in its head names its own style and script by their digests and forbids everything else, so that even
    unescaped text could not run.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    from feyntune.report.page.latex import to_html

    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["latex"] = lambda text: Markup(to_html(text or ""))
    style, script = (_source(name) for name in ("page.css", "page.js"))
    policy = f"default-src 'none'; img-src data:; style-src '{_digest(style)}'; script-src '{_digest(script)}'"
    return environment.get_template("page.html").render(
        style=Markup(style), script=Markup(script), policy=Markup(policy), **content
    )


def _source(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")
