"""Markdown for cards: templates, and filters that escape values which Markdown, HTML or tables would interpret."""

from __future__ import annotations

import json
import re
from pathlib import Path

FOLDER = Path(__file__).parent
"""Folder of the templates."""
_MARKUP = re.compile(r"[\\`*~]|(?<!\w)_|_(?!\w)|\](?=[(\[])|^[#>+-](?=\s)|^(?=\s{4})")
"""Characters that begin markup; underscores inside words do not."""


def render(template: str, **content: object) -> str:
    """Render a template of this folder.

    Its filters are ``text`` (running text), ``cell`` (a table's cell), ``code`` (inline code) and ``literal`` (a string
    literal of Python). A name that the content lacks raises ``jinja2.UndefinedError``.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(FOLDER), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"text": text, "cell": cell, "code": code, "literal": literal}
    return environment.get_template(template).render(**content)


def text(value: object) -> str:
    """Escape a value as one line of running text."""
    escaped = one_line(value).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _MARKUP.sub(lambda found: f"\\{found[0]}", escaped)


def cell(value: object) -> str:
    """Escape a value as a cell of a table."""
    return text(value).replace("|", "\\|")


def code(value: object) -> str:
    """A value as inline code; the fence is longer than any run of backticks in it (CommonMark 0.31, section 6.1)."""
    line = one_line(value)
    fence = "`" * (1 + max(map(len, re.findall("`+", line)), default=0))
    padding = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{fence}{padding}{line}{padding}{fence}"


def literal(value: str) -> str:
    """A string as a literal of Python."""
    return json.dumps(value, ensure_ascii=False).replace("```", "`\\u0060`")


def one_line(value: object) -> str:
    """A value as one line without control characters."""
    line = " ".join(str(value).split())
    return "".join(character for character in line if character.isprintable())
