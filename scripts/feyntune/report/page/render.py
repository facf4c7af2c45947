"""The page as one file: it needs no network, and runs no script but its own."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Environment

FOLDER = Path(__file__).parent


def render(content: Mapping[str, Any]) -> str:
    """The HTML of the report."""
    return render_page(FOLDER, "page", "img-src data:", content)


def render_page(folder: Path, name: str, policy: str, content: Mapping[str, Any], scripts: Sequence[str] = ()) -> str:
    """The HTML of a page with its style and its script in it.

    The policy in its head names its own style and script by their digests and forbids everything else, so that even
    unescaped text could not run.

    Args:
        folder: folder of the template ``{name}.html``, which includes ``head.html``, the style ``{name}.css`` and the
            script ``{name}.js``.
        name: name of these files.
        policy: what else the page may do, as directives of a content security policy.
        content: variables of the template.
        scripts: sources of further scripts, as in such a policy.
    """
    from markupsafe import Markup

    style, script = map(Markup, _style_and_script(folder, name))
    rules = security_policy(folder, name, policy, scripts)
    template = environment(folder).get_template(f"{name}.html")
    return template.render(style=style, script=script, policy=Markup(rules), **content)


def security_policy(folder: Path, name: str, policy: str, scripts: Sequence[str] = ()) -> str:
    """The content security policy of a page; arguments as of ``render_page``."""
    style, script = _style_and_script(folder, name)
    sources = " ".join([f"'{_digest(script)}'", *scripts])
    return f"default-src 'none'; {policy}; style-src '{_digest(style)}'; script-src {sources}"


def _style_and_script(folder: Path, name: str) -> tuple[str, str]:
    """The style of a page, after the one that all pages have, and its script."""
    files = (FOLDER / "theme.css", folder / f"{name}.css", folder / f"{name}.js")
    theme, style, script = (file.read_text(encoding="utf-8") for file in files)
    return theme + style, script


def environment(folder: Path) -> Environment:
    """The templates of a folder and those for all pages, with the filter ``latex``: all texts are escaped."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    from feyntune.report.page.latex import to_html

    templates = Environment(
        loader=FileSystemLoader([folder, FOLDER]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters["latex"] = lambda text: Markup(to_html(text or ""))
    return templates


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")
